"""Training runs of studies: ids, chosen seeds and steps, and what can't be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from assets.models.runs import run_named, training_runs
from assets.models.sources import source_named, sources
from assets.study import FAMILIES, CheckpointChoice, FamilySpec, Study
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import RECIPE, MakeRuns


def study(*families: str | FamilySpec, **checkpoints: CheckpointChoice) -> Study:
    return Study(name="test", families=list(families), probes=["attention"], checkpoints=checkpoints)


def test_a_run_per_seed_named_after_its_model(runs_of: MakeRuns) -> None:
    runs = runs_of({"calibration": RECIPE | {"seeds": [0, 7]}})

    assert [(run.run_id, run.seed) for run in runs] == [("model-seed0", 0), ("model-seed7", 7)]
    assert runs[0].kind == "calibration"
    assert runs[0].checkpoint_id("step3") == "model-seed0@step3"


def test_a_run_without_seed_has_its_models_name(runs_of: MakeRuns) -> None:
    assert [run.run_id for run in runs_of({"local": "somewhere"})] == ["model"]


def test_a_family_is_there_without_being_measured() -> None:
    assert training_runs(study("pythia", pythia=CheckpointChoice(models=[]))) == []


def test_the_study_chooses_models() -> None:
    models = [{"model_id": name, "runs": {"local": name}} for name in ("small", "large")]
    family = FamilySpec(family_id="family", role="natural", description="", models=models)

    (run,) = training_runs(study(family, family=CheckpointChoice(models=["large"])))

    assert run.run_id == "large"
    with pytest.raises(UserError, match="no model larger") as told:
        training_runs(study(family, family=CheckpointChoice(models=["larger"])))
    assert "small, large" in told.value.mend


def test_the_study_chooses_seeds_and_steps(runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"calibration": RECIPE | {"seeds": [0, 1, 2]}}, seeds=[1], steps=[0, 3])

    assert run.seed == 1
    assert [planned.step for planned in source_named(run.kind, "").plan(run, home)] == [0, 3]


def test_null_among_the_seeds_is_the_run_without_one(runs_of: MakeRuns) -> None:
    seeded = {"hub": "org/tiny-seed{seed}", "seeds": [1, 2], "original": "org/tiny"}

    assert [run.run_id for run in runs_of(seeded)] == ["model", "model-seed1", "model-seed2"]
    assert [run.run_id for run in runs_of(seeded, seeds=[None, 2])] == ["model", "model-seed2"]
    assert [run.run_id for run in runs_of(seeded, seeds=[None])] == ["model"]


def test_a_seed_that_no_run_has_is_told_with_those_there_are(runs_of: MakeRuns) -> None:
    with pytest.raises(UserError, match="no training run of seed 9") as told:
        runs_of({"calibration": RECIPE | {"seeds": [0, 1]}}, seeds=[1, 9])
    assert "0, 1" in told.value.mend
    assert told.value.where == "checkpoints.family.seeds of the study"


def test_a_step_that_no_checkpoint_has_is_told_with_those_there_are(runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"calibration": RECIPE}, steps=[0, 2])

    with pytest.raises(UserError, match="no checkpoint at step 2") as told:
        source_named(run.kind, "").plan(run, home)
    assert "0, 1, 3" in told.value.mend


@pytest.mark.parametrize("runs", [{}, {"hugging": "x"}, {"local": "a", "hub": "b/c"}])
def test_runs_names_one_kind_of_source(runs_of: MakeRuns, runs: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="one kind of source") as told:
        runs_of(runs)
    assert "calibration, gguf, hub, local" in told.value.mend
    assert told.value.where == "family family, model model, runs"


def test_an_unknown_key_of_a_source_is_told(runs_of: MakeRuns) -> None:
    with pytest.raises(UserError, match="optimiser: Extra inputs"):
        runs_of({"calibration": RECIPE | {"optimiser": "sgd"}})


def test_two_runs_never_share_an_id() -> None:
    models = [
        {"model_id": "a", "runs": {"calibration": RECIPE | {"seeds": [1]}}},
        {"model_id": "a-seed1", "runs": {"local": "somewhere"}},
    ]
    family = FamilySpec(family_id="twins", role="natural", description="", models=models)

    with pytest.raises(UserError, match="Two training runs have the id a-seed1"):
        training_runs(study(family))


def test_a_run_is_found_by_its_name() -> None:
    assert run_named(study("calibration-neox"), "calibration-neox-2l-seed3").seed == 3


def test_a_name_that_no_run_has_is_told_with_near_ones() -> None:
    with pytest.raises(UserError, match="no training run 'calibration-neox-seed3'") as told:
        run_named(study("calibration-neox"), "calibration-neox-seed3")
    assert "calibration-neox-2l-seed3" in told.value.mend


@pytest.mark.parametrize("kind", sorted(sources()))
def test_every_source_tells_its_kind(kind: str) -> None:
    assert source_named(kind, "").kind == kind


CALIBRATED = {
    "calibration-neox": (6, "calibration"),
    "calibration-llama": (6, "calibration"),
    "calibration-gemma2": (3, "calibration"),
    "calibration-qwen3": (3, "calibration"),
    "calibration-bytepairs": (3, "calibration"),
    "calibration-gpt2": (6, "calibration"),
    "calibration-previous-first": (6, "calibration"),
    "calibration-synonyms": (6, "calibration"),
    "control-one-layer": (6, "control"),
    "control-no-repeats": (3, "control"),
}


@pytest.mark.parametrize("family", CALIBRATED)
def test_families_trained_here_have_the_seeds_and_checkpoints_that_are_asked_for(family: str, home: Home) -> None:
    runs = training_runs(study(family))

    assert (len(runs), runs[0].role) == CALIBRATED[family]
    for run in runs:
        planned = source_named(run.kind, "").plan(run, home)
        assert len(planned) >= 14
        assert planned[0].step == 0
        assert [checkpoint.is_final for checkpoint in planned].index(True) == len(planned) - 1
        assert planned[-1].tokens_seen == run.model.training_tokens
        per_step = (run.model.batch_size or 0) * (run.model.sequence_length or 0)
        assert [c.tokens_seen for c in planned] == [per_step * (c.step or 0) for c in planned]


def test_every_family_file_gives_runs_with_unlike_names() -> None:
    families = sorted(path.stem for path in FAMILIES.glob("*.yaml"))

    runs = training_runs(study(*families))

    assert {run.family_id for run in runs} == {*families}
    assert len({run.run_id.casefold() for run in runs}) == len(runs)


def test_planning_needs_no_torch() -> None:
    script = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
import assets.models.loading, assets.models.properties
from assets.models.runs import training_runs
from assets.models.sources import source_named
from assets.study import Study
from catalog.home import Home
home = Home.from_environment()
study = Study(name="test", families=["calibration-neox", "control-no-repeats"], probes=["attention"])
print(sum(len(source_named(run.kind, "").plan(run, home)) for run in training_runs(study)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert done.stdout.strip() == str(6 * 17 + 3 * 15)
