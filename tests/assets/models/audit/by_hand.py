"""Holdings written by hand: training runs of a family, their checkpoints by step and what each holds."""

from __future__ import annotations

from collections.abc import Mapping

from assets.models.audit.holdings import Holding, Revision, RunHoldings

FORM = "step{step}"


def run_holding(
    run_id: str,
    weights: Mapping[int, str | None],
    main: str | None = None,
    *,
    named: tuple[int, ...] | None = None,
    model: str | None = None,
    fault: str | None = None,
) -> RunHoldings:
    """A training run whose checkpoint at each step holds these weights, None = none; `main`: those of its main."""
    revisions = tuple(Revision(f"step{step}", step, f"commit-{step}") for step in sorted(weights))
    return RunHoldings(
        run_id=run_id,
        model_id=model or run_id.partition("-seed")[0],
        family_id="pythia",
        repository=f"EleutherAI/{run_id}",
        form=FORM,
        revisions=revisions,
        named_steps=named,
        holdings=tuple(_held(run_id, each, weights[each.step or 0]) for each in revisions),
        main=None if main is None else _held(run_id, Revision("main", None, "commit-main"), main),
        fault=fault,
    )


def _held(run_id: str, revision: Revision, weights: str | None) -> Holding:
    return Holding(run_id, revision.label, revision.step, revision.commit_sha, weights, 1_500_000)
