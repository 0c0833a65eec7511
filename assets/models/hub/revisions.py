"""Which revisions of a hub's repositories are checkpoints: `runs: {hub: ..., revisions: "step{step}"}`. No requests.

Here: the form of `runs` in family and study files, and from names of branches and tags to checkpoints. Not here:
asking for those names, fetching (sources/hub.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import NonNegativeInt, PositiveInt, StringConstraints

from assets.models.sources import Planned
from assets.study import Strict
from catalog.errors import UserError


class HubRuns(Strict):
    """`runs` of a model whose repositories stand on a hub."""

    hub: str
    seeds: list[NonNegativeInt] | None = None
    revisions: Annotated[str, StringConstraints(pattern=r"\{step\}")] | None = None
    steps: list[NonNegativeInt] | None = None
    tokens_per_step: PositiveInt | None = None

    def repository(self, seed: int | None) -> str:
        return self.hub.replace("{seed}", str(seed))


def checkpoints_of(spec: HubRuns, seed: int | None, commits: Mapping[str, str]) -> list[Planned]:
    """The checkpoints of one training run, in order of steps.

    Args:
        spec: the model's `runs`.
        seed: the training run's.
        commits: commit by name of branch or tag, as the repository has them.

    Raises:
        UserError: the repository has no such revision.
    """
    repository = spec.repository(seed)
    if spec.revisions is None:
        return [Planned("main", None, None, True, _commit(commits, "main", repository))]
    steps = sorted(spec.steps or _steps(spec.revisions, commits))
    if not steps:
        raise UserError(
            f"The repository has no revision of the form {spec.revisions}.",
            where=repository,
            mend=f"Its revisions are: {', '.join(sorted(commits)[:10])}.",
        )
    per_step = spec.tokens_per_step
    return [
        Planned(
            label=f"step{step}",
            step=step,
            tokens_seen=None if per_step is None else per_step * step,
            is_final=step == steps[-1],
            revision=_commit(commits, spec.revisions.replace("{step}", str(step)), repository),
        )
        for step in steps
    ]


def _steps(revisions: str, commits: Mapping[str, str]) -> list[int]:
    """The steps for which a revision of this form exists."""
    form = re.compile(re.escape(revisions).replace(re.escape("{step}"), r"(\d+)"))
    return [int(found[1]) for name in commits if (found := form.fullmatch(name))]


def _commit(commits: Mapping[str, str], revision: str, repository: str) -> str:
    try:
        return commits[revision]
    except KeyError:
        raise UserError(
            f"The repository has no revision {revision}.",
            where=repository,
            mend=f"Its revisions are: {', '.join(sorted(commits)[:10])}.",
        ) from None
