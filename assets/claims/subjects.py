"""Whom claims are decided about: training runs, models, families, as the catalog has them.

Here: reading the tables models, families, training_runs, layers, with what reference classes may ask for. Not here:
measurements (reading/readings.py), which subjects a claim applies to (gates.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from assets.claims.reference import PROPERTIES

OF_FAMILIES = ("role", "organisation")
OF_RUNS = ("n_checkpoints", "last_step")
OF_RECIPES = ("batch_size", "sequence_length")
"""Whole numbers in models.properties."""


@dataclass(frozen=True)
class Run:
    """A training run with the design properties of its model."""

    run_id: str
    model_id: str
    family_id: str
    role: str
    properties: Mapping[str, Any]


class Subjects:
    """All training runs, models and families of a catalog.

    Attributes:
        runs: by run_id, in the order of ids.
        models: by model_id, its properties.
        roles: by family_id: natural, calibration or control.
    """

    def __init__(
        self,
        models: Iterable[Mapping[str, Any]],
        families: Iterable[Mapping[str, Any]],
        runs: Iterable[Mapping[str, Any]],
    ) -> None:
        of_family = {row["family_id"]: row for row in families}
        self.roles: dict[str, str] = {name: row["role"] for name, row in sorted(of_family.items())}
        self.models: dict[str, dict[str, Any]] = {
            row["model_id"]: {**row, **{name: of_family[row["family_id"]][name] for name in OF_FAMILIES}}
            for row in sorted(models, key=lambda row: row["model_id"])
        }
        self.runs = {row["run_id"]: self._run(row) for row in sorted(runs, key=lambda row: row["run_id"])}

    def _run(self, row: Mapping[str, Any]) -> Run:
        model = self.models[row["model_id"]]
        own = {name: row[name] for name in OF_RUNS}
        return Run(row["run_id"], row["model_id"], model["family_id"], model["role"], {**model, **own})

    def of_model(self, model_id: str) -> list[str]:
        """Ids of its training runs."""
        return [run_id for run_id, run in self.runs.items() if run.model_id == model_id]

    def of_family(self, family_id: str) -> list[str]:
        """Ids of its training runs."""
        return [run_id for run_id, run in self.runs.items() if run.family_id == family_id]

    def models_of(self, family_id: str) -> list[str]:
        return [model_id for model_id, model in self.models.items() if model["family_id"] == family_id]

    def only(self, model_ids: Collection[str]) -> Subjects:
        """The same with these models alone, their training runs and their families."""
        kept = copy(self)
        kept.models = {name: model for name, model in self.models.items() if name in model_ids}
        families = {model["family_id"] for model in kept.models.values()}
        kept.roles = {name: role for name, role in self.roles.items() if name in families}
        kept.runs = {run_id: run for run_id, run in self.runs.items() if run.model_id in kept.models}
        return kept

    @property
    def natural(self) -> list[str]:
        """The families that are evidence beyond their own models."""
        return [family_id for family_id, role in self.roles.items() if role == "natural"]

    def unit_of(self, model_id: str) -> str:
        """The model it was derived from, and so on up: models of one parent are one unit of evidence."""
        seen = {model_id}
        while parent := self.models.get(model_id, {}).get("parent_model_id"):
            if parent in seen:
                break
            seen.add(parent)
            model_id = parent
        return model_id


def read_subjects(connection: duckdb.DuckDBPyConnection, view: str = "evidence") -> Subjects:
    """The subjects in a catalog; what is said of their checkpoints is from `view`."""
    columns = [name for name in PROPERTIES if name not in (*OF_FAMILIES, *OF_RUNS)]
    models = connection.sql(f"SELECT {', '.join(columns)}, parent_model_id FROM ({MODELS})").pl()
    families = connection.sql(f"SELECT family_id, {', '.join(OF_FAMILIES)} FROM families").pl()
    runs = connection.sql(f"""
        SELECT r.run_id, r.model_id, e.n_checkpoints, e.last_step
        FROM training_runs AS r LEFT JOIN ({checkpoints_of_runs(view)}) AS e ON e.run_id = r.run_id
    """).pl()
    return Subjects(*(_rows(frame) for frame in (models, families, runs)))


MODELS = f"""
    SELECT models.* EXCLUDE (since_build, properties), learned_sinks,
        {", ".join(f"TRY_CAST(properties->>'{name}' AS BIGINT) AS {name}" for name in OF_RECIPES)}
    FROM models LEFT JOIN (
        SELECT model_id, bool_or(has_sink) AS learned_sinks FROM layers GROUP BY model_id
    ) USING (model_id)
"""


def checkpoints_of_runs(view: str = "evidence") -> str:
    """The query for the checkpoints that each training run was measured at."""
    return (
        "SELECT run_id, count(DISTINCT checkpoint_id) AS n_checkpoints, max(step) AS last_step "
        f"FROM {view} GROUP BY run_id"
    )


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return list(frame.iter_rows(named=True))
