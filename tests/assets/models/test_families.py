"""The family files of language models: every statement has its source, designs fit their configurations."""

from __future__ import annotations

import pytest

from assets.models.hub.revisions import HubRuns, checkpoints_of
from assets.models.properties import describe
from assets.models.runs import training_runs
from assets.models.sources import TrainingRun
from assets.study import FAMILIES, STUDIES, ModelSpec, Study, load_family, load_study
from tests.assets.models.suites import CONFIGURATIONS

NATURAL = [
    family for family in map(load_family, sorted(p.stem for p in FAMILIES.glob("*.yaml"))) if family.role == "natural"
]
MODELS = {model.model_id: model for family in NATURAL for model in family.models}
STATED = (
    *("parent_model_id", "released_on", "training_tokens", "batch_size", "sequence_length"),
    *("training_data", "tuning", "licence", "runs"),
)
WITHOUT_HUB = {"smollm2-135m-instruct-q4_1"}


def runs_of(*families: str) -> dict[str, TrainingRun]:
    found = training_runs(Study(name="test", families=list(families), probes=["attention"]))
    return {run.run_id: run for run in found}


def test_the_suites_that_are_studied_are_there() -> None:
    assert {family.family_id for family in NATURAL} == {
        *(
            "pythia",
            "olmo2",
            "smollm2",
            "gpt2",
            "opt",
            "qwen3",
            "gemma3",
            "llama2",
            "llama3",
            "mistral",
            "bloom",
            "mamba",
        ),
    }
    assert len(MODELS) == sum(len(family.models) for family in NATURAL)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_statement_has_its_source(model: ModelSpec) -> None:
    sourced = {name for key, source in model.facts.items() if source for name in key.split(", ")}
    stated = {name for name in STATED if getattr(model, name) is not None}
    designed = set() if sourced & {"design", "other design"} else set(model.design)

    assert stated | designed <= sourced


@pytest.mark.parametrize("model_id", CONFIGURATIONS)
def test_the_design_is_that_of_the_configuration(model_id: str) -> None:
    from transformers import CONFIG_MAPPING

    configuration = dict(CONFIGURATIONS[model_id])
    found, _ = describe(CONFIG_MAPPING[configuration.pop("model_type")](**configuration))

    stated = {name: value for name, value in MODELS[model_id].design.items() if name != "precision"}
    assert stated == {name: value for name, value in found.items() if name != "properties" and value is not None}


def test_every_design_is_held_to_a_configuration() -> None:
    designed = {name for name, model in MODELS.items() if model.design and not name.startswith("pythia-")}

    assert designed == {*CONFIGURATIONS}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_parent_is_of_the_family_and_no_model_is_its_own(model: ModelSpec) -> None:
    family = next(family for family in NATURAL if model in family.models)
    known = {other.model_id: other.parent_model_id for other in family.models}
    seen = [model.model_id]

    while parent := known[seen[-1]]:
        assert parent in known
        assert parent not in seen
        seen.append(parent)


def test_every_run_but_that_of_a_package_stands_on_the_hub() -> None:
    runs = runs_of(*(family.family_id for family in NATURAL)).values()

    assert {run.model.model_id for run in runs if not isinstance(run.spec, HubRuns)} == WITHOUT_HUB
    assert all("/" in run.spec.repository(run.seed) for run in runs if isinstance(run.spec, HubRuns))


def test_stages_of_olmo_count_tokens_on() -> None:
    runs = runs_of("olmo2")
    names = {
        "stage1-step0-tokens0B": "a",
        "stage1-step1907359-tokens4001B": "b",
        "stage2-ingredient3-step1000-tokens3B": "c",
        "stage2-ingredient3-step23852-tokens51B": "d",
    }
    pretraining = checkpoints_of(runs["olmo-2-1b-stage1"].spec, None, names)
    ingredient = runs["olmo-2-1b-stage2-seed3"]
    annealing = checkpoints_of(ingredient.spec, ingredient.seed, names)

    assert [p.tokens_seen for p in pretraining] == [0, MODELS["olmo-2-1b-stage1"].training_tokens]
    assert [p.tokens_seen for p in annealing] == [(1_907_359 + step) * 2_097_152 for step in (1_000, 23_852)]
    assert [p.label for p in annealing] == [
        "stage2-ingredient3-step1000-tokens3b",
        "stage2-ingredient3-step23852-tokens51b",
    ]
    assert (ingredient.init_seed, ingredient.data_seed) == (None, 3)


@pytest.mark.parametrize(
    ("size", "every", "billions"), [("135m", 240_000, 252), ("360m", 160_000, 252), ("1.7b", 125_000, 262)]
)
def test_smollm2_shows_a_checkpoint_every_250_billion_tokens(size: str, every: int, billions: int) -> None:
    run = runs_of("smollm2")[f"smollm2-{size}-intermediate"]

    first, last = checkpoints_of(run.spec, None, {"main": "m", f"step-{every}": "a", f"step-{2 * every}": "b"})

    assert (first.label, last.is_final) == (f"step-{every}", True)
    assert round((first.tokens_seen or 0) / 1e9) == billions


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_every_study_plans_without_a_network(name: str) -> None:
    study = load_study(name)
    runs = training_runs(study)

    assert study.name == name
    assert study.description.strip().endswith(".")
    assert runs
    for family, choice in study.checkpoints.items():
        assert {run.model.model_id for run in runs if run.family_id == family} == set(choice.models or []) or (
            choice.models is None
        )


def test_a_study_of_final_checkpoints_has_one_run_a_model() -> None:
    for name in ("landscape", "landscape-7b", "pythia-sizes"):
        runs = training_runs(load_study(name))
        assert len({run.model.model_id for run in runs}) == len(runs)


def test_all_of_pythia_is_as_large_as_the_study_says() -> None:
    study = load_study("pythia-all")

    assert f"{len(training_runs(study))} training runs and {len(training_runs(study)) * 154:,} checkpoints" in " ".join(
        study.description.split()
    )
