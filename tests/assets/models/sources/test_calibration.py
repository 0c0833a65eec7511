"""Calibration checkpoints: kept whole, found again, and the same after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import assets.models.training
from assets.models.loading import load, load_tokenizer
from assets.models.sources import Pinned, TrainingRun
from assets.models.sources.calibration import SOURCE
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import RECIPE, MakeRuns
from tests.assets.models.test_text import ALICE

PROSE = {
    "kind": "mixture",
    "mostly": {"kind": "repeats"},
    "also": {"kind": "prose", "corpus": "alice", "sha256": ALICE},
    "share": 0.5,
}


@pytest.fixture
def run(runs_of: MakeRuns) -> TrainingRun:
    return runs_of({"calibration": RECIPE})[0]


def pin(run: TrainingRun, home: Home) -> list[Pinned]:
    return list(SOURCE.pin(run, SOURCE.plan(run, home), home, print))


def digests(pinned: list[Pinned]) -> dict[str, str]:
    return {p.planned.label: p.weights_sha256 for p in pinned}


def no_training(*args: Any) -> Iterator[Any]:
    pytest.fail("trained again")


def test_the_plan_counts_steps_and_tokens(run: TrainingRun, home: Home) -> None:
    plan = SOURCE.plan(run, home)

    assert [(p.label, p.step, p.tokens_seen, p.is_final) for p in plan] == [
        ("step0", 0, 0, False),
        ("step1", 1, 128, False),
        ("step3", 3, 384, True),
    ]
    assert {p.revision for p in plan} == {run.spec.revision}


def test_checkpoints_are_safetensors_with_configuration_and_origin(run: TrainingRun, home: Home) -> None:
    pinned = pin(run, home)

    folder = home.weights / "calibration" / "model-seed5" / "step3"
    assert [p.folder.name for p in pinned] == ["step0", "step1", "step3"]
    assert pinned[-1].folder == folder
    assert pinned[-1].weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert json.loads((folder / "config.json").read_text())["model_type"] == "gpt_neox"
    note = json.loads((folder / "training.json").read_text())
    assert (note["seed"], note["step"], note["revision"]) == (5, 3, run.spec.revision)
    assert (pinned[-1].precision, pinned[-1].format, pinned[-1].tokenizer_sha256) == ("float32", "safetensors", None)
    assert pinned[-1].bytes == (folder / "model.safetensors").stat().st_size
    assert not Path(pinned[-1].location).is_absolute()
    assert len(set(digests(pinned).values())) == 3


def test_a_model_of_byte_pairs_keeps_its_tokenizer_beside_the_weights(
    runs_of: MakeRuns, home: Home, tmp_path: Path
) -> None:
    (run,) = runs_of({"calibration": RECIPE | {"text": PROSE, "vocabulary": 300}})

    (first, *_), (again, *_) = pin(run, home), pin(run, Home(tmp_path / "other"))

    loaded = load(first.folder, checkpoint_id="model@step0", role="calibration")
    tokenizer = load_tokenizer(first.folder)
    assert tokenizer is not None
    assert tokenizer.decode(tokenizer("Alice, said the Queen").input_ids) == "Alice, said the Queen"
    assert loaded.ordinary_token_ids.tolist() == list(range(300))
    assert not loaded.adds_bos
    assert first.tokenizer_sha256 == again.tokenizer_sha256 is not None


def test_what_is_finished_is_not_trained_again(run: TrainingRun, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pin(run, home)
    monkeypatch.setattr(assets.models.training, "train", no_training)

    assert pin(run, home) == first


def test_trained_weights_stay_once_they_were_held(run: TrainingRun, home: Home) -> None:
    (first, *_) = pin(run, home)

    with SOURCE.held(run, first, home, print) as folder:
        assert folder == first.folder

    assert (first.folder / "model.safetensors").exists()
    assert SOURCE.to_fetch(run, first.planned, home) == 0


def test_an_interrupted_training_ends_with_the_same_weights(
    run: TrainingRun, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = digests(pin(run, Home(tmp_path / "other")))
    train = assets.models.training.train

    def interrupted(*args: Any) -> Iterator[Any]:
        for step, model in train(*args):
            if step == 3:
                raise KeyboardInterrupt
            yield step, model

    monkeypatch.setattr(assets.models.training, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pin(run, home)
    base = home.weights / "calibration" / "model-seed5"
    kept = (base / "step1" / "model.safetensors").stat().st_mtime_ns
    assert sorted(path.name for path in base.iterdir()) == ["step0", "step1"]
    monkeypatch.setattr(assets.models.training, "train", train)

    assert digests(pin(run, home)) == undisturbed
    assert (base / "step1" / "model.safetensors").stat().st_mtime_ns == kept


def test_leftovers_of_a_killed_training_are_removed(run: TrainingRun, home: Home) -> None:
    base = home.weights / "calibration" / "model-seed5"
    (base / ".step0.abc.part").mkdir(parents=True)

    pin(run, home)

    assert sorted(path.name for path in base.iterdir()) == ["step0", "step1", "step3"]


def test_another_recipe_is_trained_anew_in_the_same_place(run: TrainingRun, runs_of: MakeRuns, home: Home) -> None:
    first = pin(run, home)

    second = pin(runs_of({"calibration": RECIPE | {"learning_rate": 0.02}})[0], home)

    assert second[-1].folder == first[-1].folder
    assert second[-1].planned.revision != first[-1].planned.revision
    assert second[0].weights_sha256 == first[0].weights_sha256  # initial weights know no learning rate
    assert second[-1].weights_sha256 != first[-1].weights_sha256


def test_only_chosen_checkpoints_are_made_and_they_are_the_same(
    runs_of: MakeRuns, run: TrainingRun, home: Home, tmp_path: Path
) -> None:
    (chosen,) = runs_of({"calibration": RECIPE}, steps=[1])

    assert digests(pin(chosen, home))["step1"] == digests(pin(run, Home(tmp_path / "other")))["step1"]
    assert not (home.weights / "calibration" / "model-seed5" / "step3").exists()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_told_and_leaves_nothing(run: TrainingRun, home: Home) -> None:
    with pytest.raises(UserError, match="disk is full") as told:
        pin(run, home)
    assert "step0" in told.value.where
    assert list((home.weights / "calibration" / "model-seed5").iterdir()) == []


def test_a_training_that_diverges_is_told(runs_of: MakeRuns, home: Home) -> None:
    wild = RECIPE | {"learning_rate": 1e38, "steps": 6, "checkpoints": [0, 6]}

    with pytest.raises(UserError, match="diverged") as told:
        pin(runs_of({"calibration": wild})[0], home)
    assert "learning_rate" in told.value.mend
