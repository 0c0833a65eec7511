"""Asking a hub about a study's training runs: which revisions exist, what their files are. No weights are fetched.

What a commit holds is remembered in the home and asked for once, so that an audit that was cut short goes on where it
was. Where the hub stops answering, the rest is not asked for and each run says so. Not here: what is wrong with what it
says (findings.py), the requests themselves (models/hub/listing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from assets.models.audit.holdings import File, Holding, Revision, RunHoldings, holding
from assets.models.hub.client import HubUnreachable, is_offline, told_by_hub
from assets.models.hub.listing import AT_ONCE, ListedFile, refs_of, trees_of
from assets.models.hub.revisions import checkpoints_of
from assets.models.runs import training_runs
from assets.models.sources import TrainingRun
from assets.study import Study
from catalog.errors import UserError
from catalog.home import Home

Key = TypeVar("Key")
Found = TypeVar("Found")
Tick = Callable[[int, int], None]
"""Takes how many commits were listed, of how many."""
BATCH = 4 * AT_ONCE
"""Requests before the next look at whether the hub still answers."""
NOBODY: Mapping[str, Collection[str]] = {}


def quietly(done: int, total: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class _Wanted:
    """A training run with the revisions whose files are to be listed."""

    holdings: RunHoldings
    revisions: tuple[Revision, ...] = ()
    main: Revision | None = None

    @property
    def commits(self) -> list[tuple[str, str]]:
        named = [*self.revisions, *([self.main] if self.main else [])]
        return [(self.holdings.repository, revision.commit_sha) for revision in named]


def hub_runs_of(study: Study) -> list[TrainingRun]:
    """A study's training runs whose checkpoints stand on a hub."""
    return [run for run in training_runs(study) if run.kind == "hub"]


def look(
    runs: Sequence[TrainingRun],
    home: Home,
    also: Mapping[str, Collection[str]] = NOBODY,
    tick: Tick = quietly,
) -> list[RunHoldings]:
    """What the hub says of these training runs: the checkpoints that the study chose, their last one, and main.

    Args:
        also: further checkpoints to look at, labels by run.
    """
    refs = _ask(lambda names: refs_of(names, home), [run.spec.repository(run.seed) for run in runs], quietly)
    wanted = [_wanted(run, refs[run.spec.repository(run.seed)], also.get(run.run_id, ())) for run in runs]
    commits = [commit for each in wanted for commit in each.commits]
    trees = _ask(lambda keys: trees_of(keys, home), commits, tick)
    return [_held(each, trees) for each in wanted]


def refusals(runs: Sequence[TrainingRun], home: Home) -> dict[str, UserError]:
    """Why files of a repository would not be handed out, by repository: gated ones list theirs to everybody.

    A request for the headers of config.json; nothing with HF_HUB_OFFLINE.
    """
    if is_offline():
        return {}
    repositories = list(dict.fromkeys(run.spec.repository(run.seed) for run in runs))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(_refusal, repositories)
        return {name: answer for name, answer in zip(repositories, answers, strict=True) if answer is not None}


def _refusal(repository: str) -> UserError | None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        with told_by_hub(repository):
            get_hf_file_metadata(hf_hub_url(repository, "config.json"))
    except UserError as error:
        cause = error.__cause__
        refused = isinstance(cause, HfHubHTTPError) and cause.response.status_code in {401, 403}
        return error if refused or isinstance(cause, GatedRepoError) else None
    return None


def _wanted(run: TrainingRun, refs: Mapping[str, str] | UserError, also: Collection[str]) -> _Wanted:
    spec = run.spec
    holdings = RunHoldings(
        run_id=run.run_id,
        model_id=run.model.model_id,
        family_id=run.family_id,
        repository=spec.repository(run.seed),
        form=spec.revisions,
    )
    if isinstance(refs, UserError):
        return _Wanted(replace(holdings, fault=str(refs)))
    try:
        listed = checkpoints_of(spec.model_copy(update={"steps": None}), run.seed, refs)
    except UserError as error:
        return _Wanted(replace(holdings, fault=str(error)))
    revisions = tuple(Revision(each.label, each.step, each.revision) for each in listed)
    steps = None if spec.revisions is None else spec.steps if run.choice.steps is None else run.choice.steps
    last = revisions[-1]
    chosen = [r for r in revisions if steps is None or r.step in steps or r is last or r.label in also]
    has_main = spec.revisions is not None and "{seed}" not in spec.revisions and "main" in refs
    return _Wanted(
        replace(holdings, revisions=revisions, named_steps=None if steps is None else tuple(steps)),
        tuple(chosen),
        Revision("main", None, refs["main"]) if has_main else None,
    )


def _ask(
    ask: Callable[[Sequence[Key]], Mapping[Key, Found | UserError]], keys: Iterable[Key], tick: Tick
) -> dict[Key, Found | UserError]:
    """Asks in batches, until the hub stops answering: then that is the answer for the rest."""
    wanted, found = list(dict.fromkeys(keys)), dict[Key, Found | UserError]()
    for start in range(0, len(wanted), BATCH):
        tick(start, len(wanted))
        found |= ask(wanted[start : start + BATCH])
        stopped = next((answer for answer in found.values() if _has_stopped(answer)), None)
        if isinstance(stopped, UserError):
            rest = UserError(f"Not asked about. {stopped.what}", mend=stopped.mend)
            return dict.fromkeys(wanted, rest) | found
    tick(len(wanted), len(wanted))
    return found


def _has_stopped(answer: object) -> bool:
    """Whether the hub refuses more requests, or is out of reach."""
    if not isinstance(answer, UserError):
        return False
    response = getattr(answer.__cause__, "response", None)
    return getattr(response, "status_code", None) == 429 or (isinstance(answer, HubUnreachable) and not is_offline())


def _held(wanted: _Wanted, trees: Mapping[tuple[str, str], tuple[ListedFile, ...] | UserError]) -> RunHoldings:
    holdings = wanted.holdings
    fault = next((str(trees[commit]) for commit in wanted.commits if isinstance(trees[commit], UserError)), None)
    if holdings.fault or fault:
        return replace(holdings, fault=holdings.fault or fault)

    def hold(revision: Revision) -> Holding:
        tree = trees[holdings.repository, revision.commit_sha]
        assert not isinstance(tree, UserError)
        files = {file.path: File(file.size, file.sha256 or file.git_oid) for file in tree}
        return holding(holdings.run_id, revision, files)

    return replace(
        holdings,
        holdings=tuple(hold(revision) for revision in wanted.revisions),
        main=None if wanted.main is None else hold(wanted.main),
    )
