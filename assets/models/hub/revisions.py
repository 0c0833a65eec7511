"""Which revisions of a hub's repositories are checkpoints: `runs: {hub: ..., revisions: "step{step}"}`. No requests.

Here: the form of `runs` in family and study files, and from names of branches and tags to checkpoints. Not here:
asking for those names, fetching (sources/hub.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import NonNegativeInt, PositiveInt, StringConstraints

from assets.models.sources import Planned, check_place, seeds_or_none
from assets.study import Strict, validate
from catalog.errors import UserError

COMMIT = re.compile(r"[0-9a-f]{40}")


class HubRuns(Strict):
    """`runs` of a model whose repositories stand on a hub."""

    hub: str
    """`org/name`; `{seed}` stands for the seed."""
    seeds: list[NonNegativeInt] | None = None
    seed_of: Literal["initialisation", "data", "both"] | None = None
    """What a seed sets; None = not known."""
    original: str | None = None
    """The repository of one more training run, the one without a seed in its name."""
    revisions: Annotated[str, StringConstraints(pattern=r"\{step\}")] | None = None
    """The form of a checkpoint's revision: `{step}`, and where names have them `{tokens}` in billions and `{seed}`."""
    revision: str = "main"
    """The one checkpoint of a model without `revisions`: a branch, a tag, or a commit in full."""
    steps: list[NonNegativeInt] | None = None
    tokens_per_step: PositiveInt | None = None
    """Exact where it is known; names round."""
    tokens_before: NonNegativeInt = 0
    """Tokens that the weights had seen when step 0 of this stage began."""

    def repository(self, seed: int | None) -> str:
        return self.original if seed is None and self.original else self.hub.replace("{seed}", str(seed))

    def form(self, seed: int | None) -> str | None:
        """The form of one training run's revisions."""
        return None if self.revisions is None else self.revisions.replace("{seed}", str(seed))


def hub_runs(runs: Mapping[str, Any], where: str) -> tuple[HubRuns, list[int | None]]:
    """A model's `runs`, validated, and one seed (None where there is no number) per training run.

    Raises:
        UserError: the content does not fit; `where` names the file and key.
    """
    spec = validate(HubRuns, runs, Path(where))
    check_place(spec.hub if "{seed}" in spec.hub else spec.revisions or spec.hub, spec.seeds, where)
    if spec.steps is not None and spec.revisions is None:
        raise UserError(
            "`steps` says nothing without `revisions`.", where=where, mend='Add revisions: "step{step}", or what fits.'
        )
    if spec.original is not None and (spec.seeds is None or "{seed}" in (spec.revisions or "")):
        raise UserError(
            "`original` is the run beside those with a seed in the name of their repository.",
            where=where,
            mend="Name the repository under `hub`, or give `{seed}` there and `seeds`.",
        )
    return spec, [*([] if spec.original is None else [None]), *seeds_or_none(spec.seeds)]


def checkpoints_of(spec: HubRuns, seed: int | None, commits: Mapping[str, str]) -> list[Planned]:
    """The checkpoints of one training run, in order of steps.

    Args:
        spec: the model's `runs`.
        seed: the training run's.
        commits: commit by name of branch or tag, as the repository has them.

    Raises:
        UserError: the repository has no such revision, or two of one step.
    """
    repository, form = spec.repository(seed), spec.form(seed)
    if form is None:
        return [Planned(label_of(spec.revision), None, None, True, _commit(commits, spec.revision, repository))]
    named = _named(form, commits, repository)
    missing = [step for step in spec.steps or [] if step not in named]
    if missing or not named:
        wanted = form.replace("{step}", str(missing[0])) if missing else f"of the form {form}"
        raise _no_revision(wanted, commits, repository)
    return [
        Planned(
            label=label_of(named[step].name),
            step=step,
            tokens_seen=_tokens_seen(spec, step, named[step].tokens),
            is_final=step == max(named),
            revision=commits[named[step].name],
        )
        for step in sorted(spec.steps or named)
    ]


def label_of(revision: str) -> str:
    """A revision's name made an id; of a commit, its first twelve digits."""
    if COMMIT.fullmatch(revision):
        return revision[:12]
    return re.sub(r"[^a-z0-9._-]", "-", revision.lower()).lstrip("._-")


@dataclass(frozen=True)
class _Named:
    """A revision, and the tokens that its name states."""

    name: str
    tokens: int | None


def _named(form: str, commits: Mapping[str, str], repository: str) -> dict[int, _Named]:
    """The revisions of this form by step."""
    pattern = re.escape(form)
    for part in ("step", "tokens"):
        pattern = pattern.replace(re.escape(f"{{{part}}}"), f"(?P<{part}>[0-9]+)", 1)
    found: dict[int, _Named] = {}
    for name in sorted(commits):
        if match := re.fullmatch(pattern, name):
            step, tokens = int(match["step"]), match.groupdict().get("tokens")
            if step in found:
                raise UserError(
                    f"Two revisions are of step {step}: {found[step].name} and {name}.",
                    where=repository,
                    mend=f"Choose others by `steps`, or state `revisions` more closely than {form}.",
                )
            found[step] = _Named(name, None if tokens is None else int(tokens) * 10**9)
    return found


def _tokens_seen(spec: HubRuns, step: int, named: int | None) -> int | None:
    tokens = named if spec.tokens_per_step is None else spec.tokens_per_step * step
    return None if tokens is None else spec.tokens_before + tokens


def _commit(commits: Mapping[str, str], revision: str, repository: str) -> str:
    """A commit in full is its own pin."""
    if COMMIT.fullmatch(revision):
        return revision
    if revision not in commits:
        raise _no_revision(revision, commits, repository)
    return commits[revision]


def _no_revision(wanted: str, commits: Mapping[str, str], repository: str) -> UserError:
    return UserError(
        f"The repository has no revision {wanted}.",
        where=repository,
        mend=f"Its revisions are: {', '.join(sorted(commits)[:10])}.",
    )
