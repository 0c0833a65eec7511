"""Records of Every Eval Ever as published measurements.

every_eval_ever/pythia-410m.json is a record of its repository (evaleval/every_eval_ever, commit c8b8fd6e,
data/hfopenllm_v2/EleutherAI/pythia-410m/1efc09d8-6a5c-4d48-b76e-2e04ef97b676.json, MIT): the scores of Pythia-410M on
the Open LLM Leaderboard 2 of Hugging Face.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from assets.probes.registry import variant_id
from assets.published.every_eval_ever import IMPORTER
from assets.published.importing import Imported, import_published, is_imported, read_all
from assets.study import Published
from catalog.build import finish, publishing, stage
from catalog.errors import UserError
from catalog.exchange.every_eval_ever import export_results
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record

REAL = json.loads((Path(__file__).parent / "every_eval_ever" / "pythia-410m.json").read_text(encoding="utf-8"))
Content = dict[str, Any]


def write(folder: Path, content: Any, name: str = "1efc09d8-6a5c-4d48-b76e-2e04ef97b676.json") -> Path:
    """A file in the layout of the data store."""
    file = folder / "data" / "hfopenllm_v2" / "EleutherAI" / "pythia-410m" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def changed(*path: str | int, to: Any) -> Content:
    """The real record with one value changed."""
    content = copy.deepcopy(REAL)
    at = content
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return content


def publish(home: Home) -> None:
    with publishing(home):
        finish(home, stage(home))


def run(folder: Path, home: Home) -> Imported:
    return import_published(Published(importer="every_eval_ever", path=str(folder)), home, lambda line: None)


def test_a_real_record_becomes_a_metric_for_each_evaluation(tmp_path: Path) -> None:
    write(tmp_path, REAL)

    (checkpoint,) = read_all(IMPORTER, tmp_path)

    assert (checkpoint.checkpoint_id, checkpoint.family_id, checkpoint.is_final) == ("pythia-410m@main", "pythia", True)
    assert {m.metric_id: m.value for m in checkpoint.measurements} == {
        "eee.ifeval.score": 0.2195,
        "eee.bbh.score": 0.3028,
        "eee.math_level_5.score": 0.0098,
        "eee.gpqa.score": 0.2592,
        "eee.musr.score": 0.3578,
        "eee.mmlu-pro.score": 0.1128,
    }
    metric = next(metric for metric in checkpoint.metrics if metric.metric_id == "eee.math_level_5.score")
    assert (metric.lower, metric.upper, metric.method, metric.grain) == (0, 1, "behaviour", "checkpoint")
    assert "Exact Match on MATH Level 5" in metric.definition
    assert metric.citation == "Hugging Face, HF Open LLM v2"


def test_scores_stand_in_evidence_and_are_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, REAL)
    home = Home(tmp_path / "home")

    assert run(tmp_path / "data", home) == Imported(n_files=1, n_known=0, n_rows=6)
    assert is_imported(Published(importer="every_eval_ever", path=str(tmp_path / "data")), Record(home))
    assert run(tmp_path / "data", home) == Imported(n_files=1, n_known=1, n_rows=0)
    publish(home)

    with open_catalog(home) as connection:
        rows = connection.execute(
            "SELECT e.run_id, e.value, e.provenance, m.unit, s.may_redistribute, o.n_layers FROM evidence AS e "
            "JOIN metrics AS m USING (metric_id) JOIN sources AS s USING (source_id) JOIN models AS o USING (model_id) "
            "WHERE metric_id = 'eee.gpqa.score'"
        ).fetchall()
    assert rows == [("pythia-410m", 0.2592, "published", "score", False, 24)]


def test_error_and_number_of_samples_are_kept(tmp_path: Path) -> None:
    details = {"score": 0.5, "uncertainty": {"standard_error": {"value": 0.02}, "num_samples": 100}}
    write(tmp_path, changed("evaluation_results", 0, "score_details", to=details))

    (checkpoint,) = read_all(IMPORTER, tmp_path)

    first = checkpoint.measurements[0]
    assert (first.value, first.standard_error, first.n) == (0.5, 0.02, 100)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("source_data", "dataset_name"), "another"),
        (("generation_config",), {"generation_args": {"temperature": 0.7}}),
        (("metric_config", "metric_parameters"), {"k": 5}),
    ],
)
def test_other_settings_are_another_variant_of_the_metric(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    write(tmp_path / "one", REAL)
    write(tmp_path / "two", changed("evaluation_results", 0, *path, to=value))

    (one,), (two,) = read_all(IMPORTER, tmp_path / "one"), read_all(IMPORTER, tmp_path / "two")

    first, second = one.measurements[0], two.measurements[0]
    assert first.metric_id == second.metric_id
    assert variant_id(first.metric_id, first.parameters) != variant_id(second.metric_id, second.parameters)


@pytest.mark.parametrize(
    ("model", "run_id"),
    [
        ("EleutherAI/pythia-70m-seed3", "pythia-70m-seed3"),
        ("eleutherai/Pythia-70M", "pythia-70m"),
        ("allenai/OLMo-2-1124-7B", "olmo-2-7b"),
        ("openai-community/gpt2", "gpt2"),
        ("meta-llama/Meta-Llama-3-8B", "llama-3-8b"),
        ("anyone/calibration-neox-2l-seed1", "calibration-neox-2l-seed1"),
    ],
)
def test_models_are_known_by_their_repository_or_name(tmp_path: Path, model: str, run_id: str) -> None:
    write(tmp_path, changed("model_info", "id", to=model))

    assert [c.run_id for c in read_all(IMPORTER, tmp_path)] == [run_id]


def test_a_model_of_no_family_is_refused_with_what_to_do(tmp_path: Path) -> None:
    file = write(tmp_path, changed("model_info", "id", to="openai/gpt-4o"))

    with pytest.raises(UserError, match="'openai/gpt-4o' is in no family") as error:
        read_all(IMPORTER, tmp_path)

    assert error.value.where == str(file)
    assert "assets/models/families" in error.value.mend
    assert error.value.lasting


@pytest.mark.parametrize(
    "name", ["../../up", "</script>", "x" * 300, "a/b\\c", "'; DROP TABLE metrics; --", "🙂", "", "  ", "..", "A" * 61]
)
def test_hostile_names_of_evaluations_and_data_leave_neither_folder_nor_catalog(tmp_path: Path, name: str) -> None:
    content = changed("evaluation_results", 0, "evaluation_name", to=name)
    content["evaluation_results"][0]["source_data"]["dataset_name"] = name
    content["evaluation_results"][0]["metric_config"]["metric_id"] = name
    write(tmp_path, content)
    home = Home(tmp_path / "home")
    before = {path.name for path in tmp_path.parent.iterdir()}

    assert run(tmp_path / "data", home).n_rows == 6
    publish(home)

    with open_catalog(home) as connection:
        (row,) = connection.execute(
            "SELECT metric_id, definition FROM metrics WHERE definition LIKE '%on IFEval'"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM evidence").fetchall() == [(6,)]
    assert name in row[1]
    assert len(row[0]) < 130
    assert set(row[0]) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    assert {path.name for path in tmp_path.parent.iterdir()} == before


def test_other_names_are_other_metrics(tmp_path: Path) -> None:
    content = changed("evaluation_results", 0, "evaluation_name", to="a/b")
    content["evaluation_results"][1]["evaluation_name"] = "a-b"
    write(tmp_path, content)

    (checkpoint,) = read_all(IMPORTER, tmp_path)

    assert len({m.metric_id for m in checkpoint.measurements}) == 6


def without(key: str) -> Content:
    return {name: value for name, value in REAL.items() if name != key}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "it is not JSON"),
        ("[]", "the file: Input should be"),
        (without("evaluation_results"), "evaluation_results: Field required"),
        (changed("evaluation_results", to=[]), "evaluation_results: List should have at least 1 item"),
        (changed("schema_version", to="0.0.1"), "schema_version: '0.0.1' is none of 0.2, 0.3"),
        (
            changed("evaluation_results", 1, "score_details", to={}),
            "evaluation_results.1.score_details.score: Field req",
        ),
        (
            changed("evaluation_results", 1, "score_details", "score", to="high"),
            "score: Input should be a valid number",
        ),
        (
            changed("evaluation_results", 1, "score_details", "score", to=float("nan")),
            "score: Input should be a finite",
        ),
        (changed("evaluation_results", 1, to=REAL["evaluation_results"][0]), "hold eee.ifeval.score twice"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: Any, told: str) -> None:
    bad = write(tmp_path, content)

    with pytest.raises(UserError) as error:
        read_all(IMPORTER, tmp_path)

    assert told in error.value.what
    assert error.value.where == str(bad)


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no records of Every Eval Ever"):
        read_all(IMPORTER, tmp_path)


def test_what_was_exported_can_be_imported(tmp_path: Path) -> None:
    """Of a run of a family that is known here, measured in one home and published to another."""
    from tests.assets.published.exported import home_with_results

    export_results(home_with_results(tmp_path / "theirs"), tmp_path / "records", lambda line: None)

    (checkpoint,) = read_all(IMPORTER, tmp_path / "records")

    assert checkpoint.checkpoint_id == "calibration-neox-2l-seed0@step400"
    assert [(m.metric_id, m.value, m.standard_error, m.n) for m in checkpoint.measurements] == [
        ("eee.text_loss.moving-target.text_loss", 3.5, 0.25, 4)
    ]
