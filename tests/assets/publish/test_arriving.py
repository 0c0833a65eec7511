"""Which training runs arrive: predicted before their first measurement, by the design in their configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from assets.publish.arriving import Skipped, freeze_on_arrival
from assets.publish.freezing import Frozen
from assets.study import Study
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.analyses.by_hand import CLAIM, Scored
from tests.loopback_hub import LoopbackHub

CONFIG = {
    "model_type": "gpt_neox",
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """Two natural models, measured; not published yet."""
    scored = Scored(Home(tmp_path / "home"))
    scored.family("known")
    for model_id in ("known-1", "known-2"):
        scored.model(model_id, "known")
        scored.runs(model_id, [0.8, 0.9])
    return scored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint whose weights say nothing."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file({"weight": np.zeros(1, np.float32)}, folder / "model.safetensors")
    return folder


def arrive(home: Home, runs: dict[str, Any], role: str = "natural", model_id: str = "theirs", **stated: Any) -> Any:
    model = {"model_id": model_id, "runs": runs, **stated}
    family = {"family_id": "family", "role": role, "description": "-", "models": [model]}
    study = Study.model_validate({"name": "s", "families": [family], "probes": ["attention"], "claims": [CLAIM]})
    return freeze_on_arrival(home, study, model_id, lambda line: None)


def test_a_new_model_is_predicted_by_the_design_of_its_configuration(scored: Scored, folder: Path) -> None:
    scored.publish()

    frozen = arrive(scored.home, {"local": str(folder)})

    assert isinstance(frozen, Frozen)
    assert [row["claim_id"] for row in frozen.new] == [CLAIM]
    assert frozen.new[0]["probability"] > 0.5
    design = "SELECT n_layers, n_heads, architecture FROM models WHERE model_id = 'theirs'"
    assert scored.query(design) == [(3, 4, "gpt_neox")]
    assert scored.query("SELECT since_build FROM predictions") == [(2,)]


def test_what_was_frozen_stays(scored: Scored, folder: Path) -> None:
    scored.publish()
    arrive(scored.home, {"local": str(folder)})

    again = arrive(scored.home, {"local": str(folder)})

    assert again == Skipped("the predictions of theirs were frozen in build 2")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"role": "control"}, "its family is of role control"),
        ({"model_id": "known-1"}, "known-1 was measured before (known-1-seed0@step9, attention)"),
    ],
)
def test_what_is_no_arrival_is_left_alone(scored: Scored, folder: Path, options: dict[str, str], reason: str) -> None:
    scored.publish()

    skipped = arrive(scored.home, {"local": str(folder)}, **options)

    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith(reason)
    assert scored.record.builds()[-1]["build"] == 1


def test_nothing_is_predicted_from_nothing(scored: Scored, folder: Path, tmp_path: Path) -> None:
    trained_here = Scored(Home(tmp_path / "other"))
    trained_here.family("tests", role="calibration")
    trained_here.model("test-1", "tests")
    trained_here.runs("test-1", [0.9])
    trained_here.publish()

    assert arrive(scored.home, {"local": str(folder)}) == Skipped("nothing is published yet to predict from")
    assert arrive(trained_here.home, {"local": str(folder)}) == Skipped(
        "no natural model was measured yet to predict from"
    )


def test_what_was_measured_and_not_published_yet_is_not_predicted(scored: Scored, folder: Path) -> None:
    scored.publish()
    scored.family("family")
    scored.model("theirs", "family")
    scored.runs("theirs", [0.1])

    skipped = arrive(scored.home, {"local": str(folder)})

    assert isinstance(skipped, Skipped)
    assert "theirs was measured already" in skipped.reason


def test_an_unknown_architecture_is_left_to_measuring_to_tell(scored: Scored, folder: Path) -> None:
    scored.publish()
    (folder / "config.json").write_text('{"model_type": "of their own"}')

    skipped = arrive(scored.home, {"local": str(folder)})

    assert isinstance(skipped, Skipped)
    assert "fits no architecture" in skipped.reason


def test_a_hub_that_does_not_answer_keeps_the_measurement_waiting(scored: Scored, hub: LoopbackHub) -> None:
    scored.publish()
    hub.add("org/theirs", {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": b"-"})
    hub.fail("config.json", status=403, times=100)

    with pytest.raises(UserError):
        arrive(scored.home, {"hub": "org/theirs"})
    assert scored.query("SELECT count(*) FROM predictions") == [(0,)]
