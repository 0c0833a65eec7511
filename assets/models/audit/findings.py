"""What is wrong with the checkpoints that a hub holds: from what it says of them to findings. Pure; no requests.

- `identical`: two checkpoints hold the same bytes. Step 0 and step 1 may (the first optimiser step, at a learning rate
  of 0, changes nothing), and training runs may share an initialisation. Beyond that, equal bytes under different steps
  can't both be right; the last checkpoint of a run is believed where its repository's main branch holds its bytes.
- `missing`: a revision that the study names, or that more than half of the sibling runs have, does not exist.
- `no_weights`: the revision holds no safetensors.
- `differs_from_main`: the last checkpoint and the main branch hold different bytes, which may be the same weights in
  another precision or other files.

Not here: what follows for measurements (advising.py).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from assets.models.audit.holdings import Holding, RunHoldings, siblings
from assets.models.files import megabytes

Kind = Literal["identical", "missing", "no_weights", "differs_from_main"]
INITIAL_STEPS = frozenset({0, 1})
"""Steps that may hold the same bytes: before training, and after a first step at a learning rate of 0."""
NAMED = "the study or its family names"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a checkpoint; the columns of catalog table `audit_findings` say what fields are."""

    checkpoint_id: str
    finding: Kind
    detail: str
    suspect: bool = False
    other_checkpoint_id: str | None = None
    weights_sha256: str | None = None
    commit_sha: str | None = None


def find(runs: Sequence[RunHoldings]) -> dict[str, list[Finding]]:
    """The findings of each training run, in order of steps; a run without any has an empty list.

    A run whose repository could not be asked is left out.
    """
    asked = [run for run in runs if run.fault is None]
    found: dict[str, list[Finding]] = {}
    same = _identical(asked)
    for run in asked:
        without = [_without_weights(holding) for holding in run.holdings if holding.weights_sha256 is None]
        found[run.run_id] = [*same.get(run.run_id, []), *without, *missing(run, runs), *_unlike_main(run)]
    return found


def missing(run: RunHoldings, runs: Sequence[RunHoldings]) -> list[Finding]:
    """Checkpoints that should be there and are not."""
    labels = {step: label for other in siblings(run, runs) for step, label in other.steps.items()}
    expected = _shared(run, runs) if run.named_steps is None else dict.fromkeys(run.named_steps, NAMED)
    return [
        Finding(
            f"{run.run_id}@{labels.get(step) or run.label_at(step)}",
            "missing",
            f"{run.repository} has no revision of step {step}, which {why}.",
        )
        for step, why in sorted(expected.items())
        if step not in run.steps
    ]


def _shared(run: RunHoldings, runs: Sequence[RunHoldings]) -> dict[int, str]:
    """The steps that more than half of the siblings have, and who has them."""
    others = siblings(run, runs)
    counts = Counter(step for other in others for step in other.steps)
    return {
        step: f"{count} of {len(others)} training runs like it have"
        for step, count in counts.items()
        if 2 * count > len(others)
    }


def _without_weights(holding: Holding) -> Finding:
    held = f"a pickle ({holding.pickle}), which is refused" if holding.pickle else "no weights at all"
    return Finding(holding.checkpoint_id, "no_weights", f"The revision holds {held}.", commit_sha=holding.commit_sha)


def _unlike_main(run: RunHoldings) -> list[Finding]:
    final, main = run.final, run.main
    if final is None or main is None or None in (final.weights_sha256, main.weights_sha256):
        return []
    if final.weights_sha256 == main.weights_sha256:
        return []
    as_main = [each.label for each in run.holdings if each.weights_sha256 == main.weights_sha256]
    held = f"main holds those of {', '.join(as_main)}" if as_main else f"main holds others, {megabytes(main.bytes)}"
    detail = f"The last checkpoint's weights take {megabytes(final.bytes)}; {held}."
    return [
        Finding(
            final.checkpoint_id,
            "differs_from_main",
            detail,
            weights_sha256=final.weights_sha256,
            commit_sha=final.commit_sha,
        )
    ]


def _identical(runs: Iterable[RunHoldings]) -> dict[str, list[Finding]]:
    by_id = {run.run_id: run for run in runs}
    groups: dict[str, list[Holding]] = defaultdict(list)
    for run in by_id.values():
        for holding in run.holdings:
            if holding.weights_sha256 is not None:
                groups[holding.weights_sha256].append(holding)
    found: dict[str, list[Finding]] = defaultdict(list)
    for group in groups.values():
        if len(group) > 1:
            believed, suspect = _judge(group, by_id)
            for member in group:
                found[member.run_id].append(_same(member, group, believed, suspect=member in suspect))
    return found


def _judge(group: list[Holding], runs: dict[str, RunHoldings]) -> tuple[Holding | None, list[Holding]]:
    """Of checkpoints with the same bytes: the one whose own these are, where that can be told, and the suspect ones."""
    if all(member.step in INITIAL_STEPS for member in group):
        return None, []
    if len({member.run_id for member in group}) > 1:
        return None, [] if any(member.step is None for member in group) else group
    run = runs[group[0].run_id]
    final = run.final
    is_mains = run.main is None or run.main.weights_sha256 in (None, group[0].weights_sha256)
    believed = final if final in group and is_mains else None
    return believed, [member for member in group if member is not believed]


def _same(member: Holding, group: list[Holding], believed: Holding | None, *, suspect: bool) -> Finding:
    others = [each for each in group if each is not member]
    other = believed if believed is not None and believed is not member else others[0]
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return Finding(
        member.checkpoint_id,
        "identical",
        f"The same bytes as {other.checkpoint_id}{more}{_judgement(member, group, believed, suspect=suspect)}.",
        suspect,
        other.checkpoint_id,
        member.weights_sha256,
        member.commit_sha,
    )


def _judgement(member: Holding, group: list[Holding], believed: Holding | None, *, suspect: bool) -> str:
    if member is believed:
        return ": these are its own, the end of training"
    if believed is not None:
        return ", the end of training"
    if suspect:
        return ": which one's they are can't be told"
    if all(each.step in INITIAL_STEPS for each in group):
        return ": nothing was trained yet"
    return ""
