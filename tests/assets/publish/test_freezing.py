"""Predictions are frozen before a model is measured, once, in a build of their own; and scored when it arrives."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.claims.recording import put_claims
from assets.publish.checks import faults
from assets.publish.freezing import freeze
from assets.publish.publication import publish
from assets.published.importing import import_published
from assets.study import FamilySpec, Published, Study, load_study
from catalog.build import rebuild
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.conftest import Tiny

EXPECTING = ["no-induction-in-one-layer", "prefix-matching-heads-exist", "previous-token-before-induction"]
"""Claims about models; one about an instrument stands beside them in the study."""
DESIGN = {"n_params": 40_000, "n_layers": 3, "n_heads": 4, "attention": "softmax", "architecture": "gpt_neox"}


@pytest.fixture
def study(tiny: Tiny) -> Study:
    """The tiny study, with a model of its family and one of a family of its own that nobody has measured."""
    own = load_study(tiny.study)
    content = own.model_dump(mode="json")
    [family] = content["families"]
    family["models"] += [{"model_id": "tiny-neox-bigger", "design": DESIGN}, {"model_id": "tiny-neox-unstated"}]
    content["claims"] = [*EXPECTING, "prefix-matching-reliable"]
    return Study.model_validate(content)


@pytest.fixture
def home(tiny: Tiny, tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    shutil.copytree(tiny.home.record, home.record)
    shutil.copy(tiny.home.catalog, home.catalog)
    return home


def say(_: str) -> None: ...


def test_a_freeze_is_a_build_and_survives_a_rebuild(home: Home, study: Study) -> None:
    before = Record(home).builds()[-1]["build"]
    frozen = freeze(home, study, "tiny-neox-bigger")
    query = "SELECT * EXCLUDE (measured_since) FROM prediction_record ORDER BY ALL"
    with open_catalog(home) as connection:
        shown = connection.execute(query).fetchall()
        since = connection.execute("SELECT DISTINCT since_build, of_build FROM predictions").fetchall()
    rebuild(home)
    with open_catalog(home) as connection:
        assert connection.execute(query).fetchall() == shown

    assert (frozen.build, since) == (before + 1, [(before + 1, before + 1)])
    assert [row["claim_id"] for row in frozen.new] == EXPECTING
    by_claim = {row["claim_id"]: row for row in frozen.new}
    assert by_claim["no-induction-in-one-layer"]["probability"] is None
    assert by_claim["prefix-matching-heads-exist"]["probability"] == pytest.approx(0.25)
    assert by_claim["prefix-matching-heads-exist"]["base_rate"] == 0


def test_the_first_prediction_stays(home: Home, study: Study) -> None:
    first = freeze(home, study, "tiny-neox-bigger")
    again = freeze(home, study, "tiny-neox-bigger")

    assert (again.new, again.build) == ([], first.build)
    assert [row["made_at"] for row in again.kept] == [row["made_at"] for row in first.new]


@pytest.mark.parametrize(
    ("model_id", "told"),
    [
        ("tiny-neox-model", r"measured already \(tiny-neox-model-seed0@step0, measured"),
        ("tiny-neox-unstated", r"states no design(.|\n)*State n_params"),
        ("nonsense", r"no model 'nonsense'(.|\n)*tiny-neox-bigger"),
    ],
)
def test_what_cannot_be_predicted_is_refused_and_leaves_no_prediction(
    home: Home, study: Study, model_id: str, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        freeze(home, study, model_id)

    assert not (home.ledger / "predictions").exists()
    assert not list(home.staging.glob("*"))


def test_what_is_measured_but_in_no_build_yet_is_refused_too(home: Home, study: Study) -> None:
    shutil.rmtree(home.builds)
    home.catalog.unlink()

    with pytest.raises(UserError, match="measured already"):
        freeze(home, study, "tiny-neox-model")


def test_an_empty_catalog_predicts_nothing(study: Study, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no measurement to predict from"):
        freeze(Home(tmp_path / "empty"), study, "tiny-neox-bigger")


def test_a_study_of_natural_models_has_nothing_to_go_by_in_models_trained_here(home: Home, study: Study) -> None:
    model = {"model_id": "theirs-1b", "design": DESIGN}
    theirs = FamilySpec.model_validate(
        {"family_id": "theirs", "role": "natural", "description": "-", "models": [model]}
    )
    frozen = freeze(home, study.model_copy(update={"families": [*study.families, theirs]}), "theirs-1b")

    told = {row["claim_id"]: row["basis"] for row in frozen.new}
    assert told["prefix-matching-heads-exist"].startswith("nothing to go by")
    assert {row["probability"] for row in frozen.new} == {None}


@pytest.fixture
def files(trott2025_folder: Path, tmp_path: Path) -> Callable[[str], Published]:
    """Adds a model's files of three training runs to a folder that the importer reads."""
    folder = tmp_path / "files"
    folder.mkdir()

    def add(model_id: str) -> Published:
        for file in trott2025_folder.rglob(f"natural_stories-rs_model-{model_id}-*_summary.csv"):
            if re.search(r"-seed[123]_", file.name):
                (folder / file.name).symlink_to(file.resolve())
        return Published(importer="trott2025", path=str(folder))

    return add


@pytest.mark.reference
def test_the_published_sizes_up_to_160m_forecast_the_410m(files: Callable[[str], Published], tmp_path: Path) -> None:
    """Frozen with 14m to 160m imported, scored once 410m is; figures of all nine runs: test_forecasting.py."""
    home, record = Home(tmp_path / "home"), Record(Home(tmp_path / "home"))
    for model_id in ("pythia-14m", "pythia-70m", "pythia-160m"):
        published = files(model_id)
    claims = ["larger-higher-previous-token", "larger-steeper-previous-token", "top-head-fixed-early"]
    study = Study(name="s", families=["pythia"], probes=[], claims=claims, published=[published])
    import_published(published, home, say)
    frozen = freeze(home, study, "pythia-410m")

    import_published(files("pythia-410m"), home, say)
    put_claims(record, study)
    publish(home, study, say)

    with open_catalog(home) as connection:
        scored = {
            row["claim_id"]: row for row in connection.sql("FROM prediction_record ORDER BY claim_id").pl().to_dicts()
        }
        skill = connection.execute("SELECT sum(n_scored) FROM prediction_skill").fetchall()
    assert "predictions_precede_measurements" not in faults(home)
    assert {(row["frozen_since"], row["measured_since"], row["n_scored"]) for row in scored.values()} == {(1, 2, 3)}
    assert len(frozen.new) == len(scored) == skill[0][0] == 3
    for name in claims[:2]:
        assert scored[name]["covered"] == 1
        assert scored[name]["skill"] > 0.4
        assert scored[name]["data_seen_before"].startswith("source trott2025")
    fixed = scored["top-head-fixed-early"]
    assert fixed["brier"] == pytest.approx(
        fixed["outcome"] * (1 - fixed["probability"]) ** 2 + (1 - fixed["outcome"]) * fixed["probability"] ** 2
    )
    with pytest.raises(UserError, match=r"pythia-410m was measured already \(pythia-410m-seed1@step0, published"):
        freeze(home, study, "pythia-410m")
