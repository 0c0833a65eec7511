"""Where a repository's model comes to stand when it is added to a study."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from assets.models.added import Added, add
from assets.models.hub.repositories import Repository
from assets.models.runs import training_runs
from assets.study import FamilySpec, Study, with_added
from catalog.errors import UserError
from catalog.home import Home

SEEDED = {
    "model_id": "tiny-1b",
    "licence": "MIT",
    "facts": {"licence": "its card"},
    "runs": {"hub": "org/tiny-1b-seed{seed}", "seeds": [1], "revisions": "step{step}", "tokens_per_step": 10},
}


def study(*models: dict[str, object], **changes: object) -> Study:
    family = {"family_id": "tiny", "organisation": "Org", "role": "natural", "description": "-", "models": list(models)}
    return Study.model_validate({"name": "test", "families": [family], "probes": ["attention"], **changes})


def repository(name: str, *revisions: str) -> Repository:
    commits = dict.fromkeys(("main", *revisions), "0" * 40)
    return Repository(name, f"https://hub/{name}", dt.date(2026, 1, 2), "apache-2.0", False, commits)


def run_ids(added: Added) -> list[str]:
    return [run.run_id for run in training_runs(added.study)]


def test_a_model_joins_the_family_that_its_organisation_and_name_begin(home: Home) -> None:
    added = add(home, study(SEEDED), repository("org/Tiny-2B"))

    assert (added.family_id, added.model_id, added.run_ids, added.is_new) == ("tiny", "tiny-2b", ("tiny-2b",), True)
    assert run_ids(added) == ["tiny-1b-seed1", "tiny-2b"]
    content = yaml.safe_load((home.models / "test" / "tiny.yaml").read_text())
    assert content["models"] == [
        {
            "model_id": "tiny-2b",
            "released_on": "2026-01-02",
            "licence": "apache-2.0",
            "facts": {
                "released_on": "the day on which the repository was made, https://hub/org/Tiny-2B",
                "licence": "card of https://hub/org/Tiny-2B",
            },
            "runs": {"hub": "org/Tiny-2B"},
        }
    ]


def test_a_model_of_nobody_known_gets_a_family_of_its_own(home: Home) -> None:
    added = add(home, study(SEEDED), repository("others/big-7b"))

    assert (added.family_id, added.model_id) == ("big-7b", "big-7b")
    family = added.study.families[1]
    assert isinstance(family, FamilySpec)
    assert (family.role, family.organisation, family.url) == ("natural", "others", "https://hub/others/big-7b")


def test_a_family_can_be_named(home: Home) -> None:
    assert add(home, study(SEEDED), repository("others/big-7b"), "tiny").family_id == "tiny"
    assert add(home, study(SEEDED), repository("others/big-8b"), "big").family_id == "big"


def test_another_seed_of_a_known_model_is_another_training_run_of_it(home: Home) -> None:
    add(home, study(SEEDED), repository("org/tiny-1b-seed7", "step0", "step10"))
    added = add(home, study(SEEDED), repository("org/tiny-1b-seed9", "step0", "step10"))

    assert added.run_ids == ("tiny-1b-seed9",)
    assert run_ids(added) == ["tiny-1b-seed1", "tiny-1b-seed7", "tiny-1b-seed9"]
    runs = {run.run_id: run for run in training_runs(added.study)}
    assert runs["tiny-1b-seed9"].model.licence == "MIT"
    assert runs["tiny-1b-seed9"].spec.tokens_per_step == 10
    assert runs["tiny-1b-seed1"].model.released_on == runs["tiny-1b-seed9"].model.released_on == dt.date(2026, 1, 2)


def test_what_the_study_has_is_not_added_again(home: Home) -> None:
    first = add(home, study(SEEDED), repository("org/tiny-2b"))
    content = (home.models / "test" / "tiny.yaml").read_bytes()
    again = add(home, first.study, repository("org/tiny-2b"))
    own = add(home, study(SEEDED), repository("org/tiny-1b-seed1"))

    assert (again.is_new, again.run_ids) == (False, ("tiny-2b",))
    assert (own.is_new, own.run_ids) == (False, ("tiny-1b-seed1",))
    assert (home.models / "test" / "tiny.yaml").read_bytes() == content


def test_a_familys_form_of_revisions_and_the_studys_steps_hold_for_it_too(home: Home) -> None:
    chosen = study(SEEDED, checkpoints={"tiny": {"models": [], "steps": [0, 10, 99], "seeds": [1]}})
    added = add(home, chosen, repository("org/tiny-2b", "step0", "step5", "step10"))

    (run,) = training_runs(added.study)
    assert (run.run_id, run.spec.revisions, run.spec.steps) == ("tiny-2b", "step{step}", [0, 10])


def test_revisions_that_are_not_there_are_refused_and_nothing_is_written(home: Home) -> None:
    with pytest.raises(UserError, match="no revision"):
        add(home, study(SEEDED), repository("org/tiny-2b"), revisions="checkpoint-{step}")

    assert not list(home.models.rglob("*.yaml"))


def test_of_a_family_that_the_study_did_not_choose_only_the_added_models_are_measured(home: Home) -> None:
    added = add(home, study(), repository("org/pythia-like"), "pythia")

    assert run_ids(added) == ["pythia-like"]


def test_a_faulty_file_in_the_home_is_told(home: Home) -> None:
    (home.models / "test").mkdir(parents=True)
    (home.models / "test" / "mine.yaml").write_text("family_id: mine")

    with pytest.raises(UserError, match="does not fit FamilySpec") as told:
        with_added(study(), home.models / "test")
    assert "mine.yaml" in told.value.where
