"""Predictions on arrival: before a model's first measurement, what the claims expect of it is frozen by itself.

Here: which training runs are an arrival, and where the design comes from that the predictions need. Not here: freezing
(freezing.py), what is measured then (assets/probes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from assets.models.hub.client import HubUnreachable
from assets.models.properties import read_design
from assets.models.runs import run_named
from assets.models.sources import Say, TrainingRun, source_named
from assets.publish.freezing import MEASURED, Frozen, NotPredictable, freeze
from assets.study import Study
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import first_row, open_catalog

FROZEN = "SELECT min(since_build) FROM predictions WHERE subject = $1"
NATURAL = """
SELECT 1 FROM probe_runs AS p
JOIN checkpoints AS c ON c.checkpoint_id = p.checkpoint_id
JOIN training_runs AS r ON r.run_id = c.run_id
JOIN models AS m ON m.model_id = r.model_id
JOIN families AS f ON f.family_id = m.family_id
WHERE f.role = 'natural' AND p.status = 'ok' LIMIT 1
"""


@dataclass(frozen=True)
class Skipped:
    """Nothing was frozen, and why."""

    reason: str


def freeze_on_arrival(home: Home, study: Study, run_id: str, say: Say) -> Frozen | Skipped:
    """Freezes what the claims expect of a training run's model, if it arrives: natural, never measured or predicted.

    In the ordinary case, a model that was measured before, this asks the catalog one question.

    Raises:
        UserError: the study has no such training run; or the model's configuration can't be had just now, so that a
            measurement now would come before its prediction.
    """
    run = run_named(study, run_id)
    reason = in_the_way(home, run)
    if reason:
        return Skipped(reason)
    try:
        return freeze(home, study, run.model.model_id, run.model.design or _design(home, run, say))
    except NotPredictable as why:
        return Skipped(why.what)


def in_the_way(home: Home, run: TrainingRun) -> str | None:
    """Why nothing is predicted of a training run's model, as far as the published catalog knows; None if it arrives."""
    if run.role != "natural":
        return f"its family is of role {run.role}: models trained to show or lack a thing are not predicted"
    if not home.catalog.exists():
        return "nothing is published yet to predict from"
    model_id = run.model.model_id
    try:
        with open_catalog(home) as connection:
            if found := first_row(connection, MEASURED, [model_id]):
                return f"{model_id} was measured before ({found[0]}, {found[1]})"
            [(build,)] = connection.execute(FROZEN, [model_id]).fetchall()
            if build is not None:
                return f"the predictions of {model_id} were frozen in build {build}"
            if first_row(connection, NATURAL) is None:
                return "no natural model was measured yet to predict from"
    except duckdb.Error as error:
        return f"the catalog is of another version, and is made anew by the next publication: {error}"
    return None


def _design(home: Home, run: TrainingRun, say: Say) -> dict[str, Any]:
    """The design as a checkpoint's configuration tells it: the last one's, or that of the last one that can be had.

    Raises:
        NotPredictable: no checkpoint can be had, or the architecture is not known, and that lasts.
        UserError: none can be had just now.
    """
    source, faults = source_named(run.kind, run.run_id), []
    for planned in reversed(source.plan(run, home)):
        try:
            pinned = next(source.pin(run, [planned], home, say))
            return read_design(pinned.folder)
        except HubUnreachable:
            raise
        except UserError as error:
            faults.append(error)
    passing = [error for error in faults if not error.lasting]
    if passing:
        raise passing[0]
    raise NotPredictable(f"The design of {run.model.model_id} can't be read: {faults[0].what}") from faults[0]
