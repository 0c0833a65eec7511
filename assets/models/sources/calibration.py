"""Checkpoints that are trained here: `runs: {calibration: {architecture: gpt_neox, layers: 2, ...}}`.

Here: which checkpoints exist, keeping them, finding them again. Not here: the training itself (models/training.py).
A training run's checkpoints stand in weights/calibration/RUN/LABEL and are never evicted. One that is finished isn't
trained again; a run that was interrupted starts at step 0 again, which gives the same weights, and writes what is
missing. Who calls `pin` holds the run: no two processes train one at a time.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.models.files import folder_aside, remove_leftovers
from assets.models.sources import OnDisk, Pinned, Planned, Say, TrainingRun, chosen, pin_folder
from assets.models.training import Recipe
from assets.study import Strict, validate
from catalog.errors import UserError
from catalog.home import Home

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NOTE = "training.json"
"""Beside the weights: which recipe, seed, step and library versions made them, and seconds of training up to there."""


class CalibrationRuns(Strict):
    """`runs` of a model that is trained here."""

    calibration: Recipe


class Calibration(OnDisk):
    """Trains small models of known answers."""

    kind = "calibration"

    def seeds(self, runs: Mapping[str, Any], where: str) -> tuple[Recipe, list[int | None]]:
        recipe = validate(CalibrationRuns, runs, Path(where)).calibration
        return recipe, list(recipe.seeds)

    def plan(self, run: TrainingRun, home: Home) -> list[Planned]:
        recipe: Recipe = run.spec
        listed = [
            Planned(f"step{step}", step, step * recipe.tokens_per_step, step == recipe.steps, recipe.revision)
            for step in recipe.checkpoints
        ]
        return chosen(run, listed)

    def pin(self, run: TrainingRun, planned: list[Planned], home: Home, say: Say) -> Iterator[Pinned]:
        base = home.weights / self.kind / run.run_id
        missing = {c.step: c for c in planned if c.step is not None and not _is_finished(base, c)}
        if missing:
            _train(run, missing, base, say)
        for checkpoint in planned:
            yield pin_folder(checkpoint, base / checkpoint.label, location=run.run_id)

    def seconds(self, run: TrainingRun, planned: Sequence[Planned], home: Home) -> float | None:
        """The time that other training runs of the model took, in proportion to steps."""
        base = home.weights / self.kind
        missing = [c.step for c in planned if c.step and not _is_finished(base / run.run_id, c)]
        if not missing:
            return 0.0
        late = [step for step in reversed(run.spec.checkpoints) if step]
        for folder in (base / f"{run.model.model_id}-seed{seed}" for seed in run.spec.seeds):
            for note in (_note(folder, step) for step in late):
                if note.get("revision") == run.spec.revision and "trained_s" in note:
                    return max(missing) * note["trained_s"] / note["step"]
        return None


def _is_finished(base: Path, checkpoint: Planned) -> bool:
    return _note(base, checkpoint.step).get("revision") == checkpoint.revision


def _note(base: Path, step: int | None) -> dict[str, Any]:
    """The note beside a run's weights at a step; empty where they are not there."""
    try:
        return json.loads((base / f"step{step}" / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _train(run: TrainingRun, missing: dict[int, Planned], base: Path, say: Say) -> None:
    """Trains the run as far as the last of the missing checkpoints, by step, and keeps these."""
    from transformers.utils import logging

    from assets.models.training import train

    logging.disable_progress_bar()
    remove_leftovers(base)
    started = time.perf_counter()
    say(f"{run.run_id}: training to step {max(missing)}, {len(missing)} checkpoints to keep")
    try:
        for step, model in train(run.spec, run.seed or 0, sorted(missing)):
            n_left = sum(other >= step for other in missing)
            _keep(run, missing[step], model, base, n_left=n_left, trained_s=time.perf_counter() - started)
    except FloatingPointError as error:
        raise UserError(
            f"The training of {run.run_id} diverged: {error}.",
            where=f"models.{run.model.model_id}.runs.calibration",
            mend="Lower learning_rate, or lengthen warmup.",
            lasting=True,
        ) from error


def _keep(
    run: TrainingRun, checkpoint: Planned, model: PreTrainedModel, base: Path, *, n_left: int, trained_s: float
) -> None:
    """Writes one checkpoint; `n_left` counts those to be written from now on, so that a full disk is noticed early."""
    note = {
        "run_id": run.run_id,
        "seed": run.seed,
        "step": checkpoint.step,
        "revision": checkpoint.revision,
        "trained_s": round(trained_s, 2),
        "recipe": run.spec.model_dump(mode="json"),
        "versions": {name: version(name) for name in ("torch", "transformers", "numpy")},
    }
    final = base / checkpoint.label
    size = sum(parameter.nbytes for parameter in model.parameters())
    with folder_aside(final, needed=2 * size * n_left) as aside:
        model.save_pretrained(aside)
        if tokenizer := run.spec.text.tokenizer(run.spec.vocabulary):
            tokenizer.save_pretrained(aside)
        (aside / NOTE).write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if final.exists():
            shutil.rmtree(final)  # of an earlier recipe


SOURCE = Calibration()
