"""The records fit the schema of Every Eval Ever 0.3.0 and lie where its data store looks for them.

The schema in every_eval_ever/ is that of the package every-eval-ever 0.3.0 (MIT, its licence beside it; Batzner et al.
2026, arXiv 2606.14516). The package needs Python 3.12; where MOVING_TARGET_EVERY_EVAL_EVER names its command, its own
validator is run too.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from jsonschema import Draft7Validator

from assets.probes.registry import all_metrics
from catalog.errors import UserError
from catalog.exchange.every_eval_ever import LOWER_IS_BETTER, export_results, safe_name
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from tests.catalog.exchange.conftest import HOSTILE, put_family
from tests.catalog.exchange.test_tables import silent
from tests.catalog.test_build import publish, put_facts
from tests.conftest import Tiny

SCHEMA = json.loads((Path(__file__).parent / "every_eval_ever" / "eval.schema.json").read_text(encoding="utf-8"))
VALIDATOR = "MOVING_TARGET_EVERY_EVAL_EVER"


def read(folder: Path) -> dict[str, Any]:
    """The records by path, each of which fits the schema."""
    found = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}
    for content in found.values():
        Draft7Validator(SCHEMA).validate(content)
    return found


@pytest.fixture
def hostile_results(tmp_path: Path) -> Home:
    """A value of text_loss for a final checkpoint of each hostile name."""
    home = Home(tmp_path / "home")
    record = Record(home)
    put_facts(record)
    metric = {
        "metric_id": "text_loss", "construct": "c", "method": "behaviour", "grain": "checkpoint", "unit": "nats",
        "has_excess": False, "definition": HOSTILE[0], "definition_version": 1, "lower": 0.0,
    }  # fmt: skip
    variant = {"variant_id": "v", "metric_id": "text_loss", "parameters": json.dumps({"corpus": HOSTILE[1]})}
    record.put("metrics", "text_loss", {"metrics": [metric]})
    record.put("metric_variants", "v", {"metric_variants": [variant | {"label": "v", "is_default": True}]})
    for number, name in enumerate(HOSTILE):
        put_family(record, f"hostile-{number}", name)
        row = {
            "checkpoint_id": name, "probe": "text_loss", "probe_version": 1, "parameters": "{}", "status": "ok",
            "provenance": "measured", "source_id": "moving-target", "dtype": "float32", "cache_key": f"k{number}",
            "weights_sha256": "w",
        }  # fmt: skip
        values = {"variant_id": ["v"], "metric_id": ["text_loss"], "stratum": [HOSTILE[2]], "value": [3.5], "n": [4]}
        unknown = ("layer", "head", "sender_layer", "sender_head", "value_a", "value_b", "chance", "standard_error")
        values |= {name: [None] for name in unknown}
        record.put_probe_run(row, pl.DataFrame(values))
    publish(home)
    return home


def test_each_final_checkpoint_and_probe_is_a_record_with_the_values_of_evidence(tiny: Tiny, tmp_path: Path) -> None:
    number = export_results(tiny.home, tmp_path / "out", silent)

    records = read(tmp_path / "out")
    assert number == len(records) == 2
    with open_catalog(tiny.home) as connection:
        expected = connection.execute(
            "SELECT run_id, variant_id, stratum, value, standard_error, n FROM evidence "
            "WHERE is_final AND metric_id LIKE 'repeat_%' ORDER BY ALL"
        ).fetchall()
    found = []
    for path, record in records.items():
        run_id = record["model_info"]["name"]
        assert path.startswith(f"data/moving-target-repeats/moving-target/{run_id}/")
        for result in record["evaluation_results"]:
            variant, _, stratum = result["evaluation_result_id"].partition("#")
            score = result["score_details"]
            uncertainty = score["uncertainty"]
            error = uncertainty["standard_error"]["value"]
            found.append((run_id, variant, stratum, score["score"], error, uncertainty["num_samples"]))
    assert sorted(found) == expected
    assert len(expected) > 10


def test_hostile_names_stay_text_in_the_records_and_out_of_the_paths(hostile_results: Home, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}

    export_results(hostile_results, tmp_path / "out", silent)

    records = read(tmp_path / "out")
    assert {record["model_info"]["additional_details"]["catalog_model_id"] for record in records.values()} == {*HOSTILE}
    assert {path.name for path in tmp_path.iterdir()} == before | {"out"}
    assert len({path.rsplit("/", 1)[0].casefold() for path in records}) == len(HOSTILE)
    for path, record in records.items():
        _, collection, developer, model, _ = path.split("/")
        assert record["model_info"]["id"] == f"{developer}/{model}"
        assert collection == "moving-target-text_loss"


@pytest.mark.parametrize(
    "text", [*HOSTILE, "..", ".", "CON", "nul.txt", "data", "a/b", "pythia-70m.", "COM1", "/", "é"]
)
def test_a_safe_name_is_one_part_of_a_path_and_no_other_text_has_it(text: str) -> None:
    name = safe_name(text)

    assert name == os.path.basename(name) == os.path.normpath(name)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert len(name) < 120
    assert name != text
    assert safe_name(name) == name


def test_ordinary_ids_are_their_own_names() -> None:
    assert [safe_name(name) for name in ("pythia-70m-seed3", "EleutherAI", "smollm2-135m-instruct-q4_1")] == [
        "pythia-70m-seed3",
        "EleutherAI",
        "smollm2-135m-instruct-q4_1",
    ]


def test_an_unchanged_catalog_gives_the_same_bytes(hostile_results: Home, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_results(hostile_results, tmp_path / name, silent)

    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.json")}
        for name in ("one", "two")
    )
    assert one == two


def test_a_catalog_without_results_is_told(hostile: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no results on behaviour"):
        export_results(hostile, tmp_path / "out", silent)

    assert not (tmp_path / "out").exists()


def test_of_every_metric_on_behaviour_it_is_known_which_way_is_better() -> None:
    """A new one must be added here, or it would be left out in silence."""
    behaviour = {m.metric_id for m in all_metrics() if m.method == "behaviour" and m.grain == "checkpoint"}

    assert behaviour == LOWER_IS_BETTER.keys()


@pytest.mark.skipif(VALIDATOR not in os.environ, reason=f"needs the command every_eval_ever, its path in {VALIDATOR}")
@pytest.mark.parametrize("home", ["tiny", "hostile_results"])
def test_its_own_validator_has_neither_error_nor_warning(
    home: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(home)
    export_results(found.home if isinstance(found, Tiny) else found, tmp_path / "out", silent)

    command = [os.environ[VALIDATOR], "validate", "--format", "json", f"{tmp_path}/out/data/*/*/*/*.json"]
    checked = subprocess.run(command, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout
