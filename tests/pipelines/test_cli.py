from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import duckdb
import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from assets.study import STUDIES
from catalog.errors import UserError
from pipelines.cli import app, main
from tests.conftest import Tiny

Invoke = Callable[..., Result]


def commands(group: click.Group, *above: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        inside = getattr(command, "commands", None)
        found += commands(command, *above, name) if inside else [(*above, name)]
    return found


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(app, [*command, "--help"])

    assert outcome.exit_code == 0
    assert f"python -m pipelines {' '.join(command)}" in " ".join(outcome.output.partition("Example")[2].split())


def test_status_of_a_finished_study_finds_nothing_due(invoke: Invoke, tiny: Tiny) -> None:
    outcome = invoke("status", tiny.study)

    assert "0 checkpoints due in 0 of 2 training runs" in outcome.output
    assert all(run_id in outcome.output for run_id in tiny.run_ids)


def test_status_of_a_new_home_counts_what_is_due_and_starts_nothing(tiny_study: str, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["status", tiny_study])

    assert "6 checkpoints due in 2 of 2 training runs" in outcome.output
    assert re.search(r"new +│ 6 to make or fetch", outcome.output)
    assert re.search(r"never measured +│ attention, repeats on 6", outcome.output)
    assert "Not known, since nothing like it was done here before: attention, making or fetching, repeats" in (
        " ".join(outcome.output.split())
    )
    assert not (tmp_path / "home" / "record").exists()


def test_disk_use_names_what_to_keep(invoke: Invoke) -> None:
    output = invoke("status", "--disk").output

    assert "record: keep it, back it up" in output
    assert "catalog.duckdb" in output
    assert "weights fetched from hubs: 0.0 of 50 GB" in output


def test_sql_prints_a_table(invoke: Invoke) -> None:
    output = invoke("sql", "SELECT run_id, seed FROM training_runs ORDER BY seed").output

    assert [line.split("│")[1].strip() for line in output.splitlines() if "seed" in line and "│" in line] == [
        "tiny-neox-model-seed0",
        "tiny-neox-model-seed1",
    ]


def test_a_result_too_wide_for_the_terminal_is_told_a_value_a_line(invoke: Invoke) -> None:
    output = invoke("sql", "SELECT * FROM current_verdicts WHERE level = 'run' LIMIT 1").output

    assert ["level", "run"] in [line.split() for line in output.splitlines()]
    assert "nulls left out" in output


def test_sql_as_csv_and_json_gives_every_row_whole(invoke: Invoke) -> None:
    query = "SELECT run_id, seed, NULL AS nothing, DATE '2026-01-02' AS day FROM training_runs ORDER BY seed"

    assert invoke("sql", query, "--csv").output.splitlines() == [
        "run_id,seed,nothing,day",
        "tiny-neox-model-seed0,0,,2026-01-02",
        "tiny-neox-model-seed1,1,,2026-01-02",
    ]
    assert json.loads(invoke("sql", query, "--json").output)[1] == {
        "run_id": "tiny-neox-model-seed1",
        "seed": 1,
        "nothing": None,
        "day": "2026-01-02",
    }


def test_sql_reads_a_query_from_standard_input(invoke: Invoke) -> None:
    assert invoke("sql", "-", "--csv", input="SELECT 6 * 7 AS answer").output == "answer\n42\n"


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE models",
        "INSERT INTO builds SELECT * FROM builds",
        "COPY models TO 'out.csv'",
        "ATTACH 'other.duckdb'",
        "SET threads = 1",
        "INSTALL httpfs",
        "SELECT 1; DELETE FROM models",
        "PRAGMA database_list",
    ],
)
def test_sql_refuses_all_but_select_and_explain(invoke: Invoke, tiny: Tiny, query: str) -> None:
    before = tiny.home.catalog.read_bytes()

    outcome = invoke("sql", query)

    assert isinstance(outcome.exception, UserError)
    assert "Only SELECT and EXPLAIN are allowed" in str(outcome.exception)
    assert tiny.home.catalog.read_bytes() == before


@pytest.mark.parametrize("reader", ["read_text", "read_csv", "read_blob", "glob"])
def test_sql_reaches_no_other_file(invoke: Invoke, reader: str) -> None:
    outcome = invoke("sql", f"SELECT * FROM {reader}('{__file__}')")

    assert isinstance(outcome.exception, UserError)
    assert outcome.output == ""


def test_a_wrong_query_is_told_with_a_way_to_look_up_names(invoke: Invoke) -> None:
    outcome = invoke("sql", "SELECT nonsense FROM models")

    assert isinstance(outcome.exception, UserError)
    assert "DESCRIBE" in str(outcome.exception)


def test_explain_is_allowed(invoke: Invoke) -> None:
    assert invoke("sql", "EXPLAIN FROM models").exit_code == 0


def test_studies_lists_what_the_project_ships(invoke: Invoke) -> None:
    output = invoke("studies").output

    assert all(path.stem in output for path in STUDIES.glob("*.yaml"))


def test_probes_lists_every_metric(invoke: Invoke) -> None:
    from assets.probes.registry import all_metrics

    output = invoke("probes").output

    assert all(metric.metric_id in output for metric in all_metrics())


def test_a_probe_is_told_with_definitions_chance_and_options(invoke: Invoke) -> None:
    output = " ".join(invoke("probes", "attention").output.split())

    assert "On repeated random tokens x: for each query i in repeats 2..m" in output
    assert "Chance: Mean over queries of (wanted keys that the query can see)" in output
    assert "n_sequences by role or model" in output


def test_catalog_path_is_where_the_home_says(invoke: Invoke, tiny: Tiny) -> None:
    assert invoke("catalog", "path").output.strip() == str(tiny.home.catalog)


def test_what_a_user_can_mend_is_one_message_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pipelines", "status", "no-such-study"])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "There is no study 'no-such-study'." in told
    assert "demo" in told
    assert "Traceback" not in told


def test_sync_makes_the_training_runs_known_once(tiny_study: str) -> None:
    first = CliRunner().invoke(app, ["sync", tiny_study]).output
    second = CliRunner().invoke(app, ["sync", tiny_study]).output

    assert "2 training runs" in first
    assert "2 of them new" in first
    assert "0 of them new" in second


def test_a_run_tells_which_checks_find_faults(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = shutil.copytree(tiny.home.root, tmp_path / "spoiled")
    monkeypatch.setenv("MOVING_TARGET_HOME", str(spoiled))
    with duckdb.connect(str(spoiled / "catalog.duckdb")) as connection:
        connection.execute(
            "UPDATE storage.measured_values SET value = 1.5 WHERE layer = 0 AND measured_id IN "
            "(SELECT measured_id FROM storage.measured_variants WHERE metric_id = 'self_attention')"
        )

    outcome = CliRunner().invoke(app, ["run", tiny.study])

    assert "Check values_lie_in_range found 32 faults" in outcome.output


def test_predict_freezes_and_prints_and_keeps_what_was_frozen(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = shutil.copytree(tiny.home.root, tmp_path / "copy")
    monkeypatch.setenv("MOVING_TARGET_HOME", str(home))
    content = yaml.safe_load(Path(tiny.study).read_text())
    content["families"][0]["models"].append({"model_id": "bigger", "design": {"n_layers": 3, "attention": "softmax"}})
    content["claims"] = ["prefix-matching-heads-exist"]
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    command = ["predict", str(tmp_path / "study.yaml"), "--model", "bigger"]

    first, again = (CliRunner().invoke(app, command).output for _ in range(2))

    assert re.search(r"prefix-matching-heads-exist +0\.25 +0 ", first)
    assert "1 predictions frozen in build" in first
    assert "1 kept as they were frozen before" in again


def test_predict_refuses_what_was_measured(invoke: Invoke, tiny: Tiny) -> None:
    outcome = invoke("predict", tiny.study, "--model", "tiny-neox-model")

    assert isinstance(outcome.exception, UserError)
    assert "tiny-neox-model was measured already" in str(outcome.exception)


def test_a_record_of_newer_code_is_refused_before_anything_is_measured(tiny_study: str, tmp_path: Path) -> None:
    builds = tmp_path / "home" / "record" / "builds"
    builds.mkdir(parents=True)
    (builds / "000001.json").write_text(json.dumps({"build": 1, "schema_version": 99, "digest": "", "entries": []}))

    outcome = CliRunner().invoke(app, ["run", tiny_study])

    assert isinstance(outcome.exception, UserError)
    assert "its schema is version 99" in str(outcome.exception)
    assert [path.name for path in builds.parent.iterdir()] == ["builds"]
