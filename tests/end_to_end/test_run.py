"""The main job as a user runs it: once, again, with faults, interrupted, twice at a time."""

from __future__ import annotations

import os
import shutil
import signal
import struct
from pathlib import Path

import duckdb
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from catalog.build import table_keys
from tests.conftest import Tiny
from tests.end_to_end.conftest import Command, WriteStudy, family, interrupt, recipe, wait_until

pytestmark = pytest.mark.end_to_end


def test_a_study_runs_from_nothing_to_a_report(tiny: Tiny) -> None:
    command = tiny.command

    assert "prefix-matching-heads-exist" in tiny.said
    assert str(command.home / "catalog.duckdb") in tiny.said
    assert (command.home / "reports" / "index.html").exists()
    assert command.query("SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(6,)]
    assert command.query("SELECT DISTINCT status FROM probe_runs") == [("ok",)]


def test_nothing_is_computed_twice(tiny: Tiny) -> None:
    command = tiny.command
    before = (command.home / "catalog.duckdb").read_bytes()

    again = command("run", tiny.study, "--workers", "2")

    assert again.returncode == 0, again.stdout + again.stderr
    assert "Nothing is due" in again.stdout
    assert (command.home / "catalog.duckdb").read_bytes() == before


def test_another_home_measures_the_same_to_the_bit(tiny: Tiny, tmp_path: Path) -> None:
    other = Command(tmp_path / "other", tiny.command.environment)

    other("run", tiny.study, "--workers", "1")

    values = "SELECT checkpoint_id, variant_id, layer, head, stratum, value FROM evidence ORDER BY ALL"
    weights = "SELECT checkpoint_id, weights_sha256 FROM checkpoints ORDER BY ALL"
    assert tiny.command.query(weights) == other.query(weights)
    assert tiny.command.query(values) == other.query(values)
    assert len(other.query(values)) > 100


def test_a_rebuild_gives_the_same_catalog(tiny: Tiny, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(tiny.command.home / "record", home / "record")

    assert Command(home, tiny.command.environment)("catalog", "rebuild").returncode == 0

    with duckdb.connect(str(home / "catalog.duckdb"), read_only=True) as connection:
        connection.execute(f"ATTACH '{tiny.command.home / 'catalog.duckdb'}' AS was (READ_ONLY)")
        tables = table_keys(connection)
        assert len(tables) >= 20
        for table in tables:
            for one, other in ((f"main.{table}", f"was.main.{table}"), (f"was.main.{table}", f"main.{table}")):
                rows = connection.execute(f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}").fetchall()
                assert rows == [], table


def local_checkpoints(folder: Path) -> None:
    """Three checkpoints of a small random model, as a user has them on disk."""
    for step in (0, 10, 20):
        torch.manual_seed(step)
        config = GPTNeoXConfig(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=128,
        )
        GPTNeoXForCausalLM(config).save_pretrained(folder / f"step{step}")


def test_faulty_checkpoints_are_told_and_the_others_are_measured(
    command: Command, write_study: WriteStudy, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    local_checkpoints(folder)
    study = write_study(family("mine", {"local": str(folder)}, role="natural"))
    truncated = folder / "step10" / "model.safetensors"
    whole = {step: (folder / f"step{step}" / "model.safetensors").read_bytes() for step in (10, 20)}
    truncated.write_bytes(whole[10][:-100])
    poisoned = folder / "step20" / "model.safetensors"
    weights = load_file(poisoned)
    weights["gpt_neox.layers.0.attention.query_key_value.weight"][0, 0] = float("nan")
    save_file(weights, poisoned, metadata={"format": "pt"})

    outcome = command("run", study)

    assert outcome.returncode == 1
    assert "mine-model@step10" in outcome.stderr
    assert "damaged" in outcome.stderr
    assert "NaN" in outcome.stderr
    failed = "SELECT DISTINCT checkpoint_id FROM probe_runs WHERE status = 'failed' ORDER BY ALL"
    assert command.query(failed) == [("mine-model@step10",), ("mine-model@step20",)]
    assert command.query("SELECT DISTINCT label FROM evidence WHERE model_id = 'mine-model'") == [("step0",)]

    again = command("run", study)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "Nothing is due" in again.stdout
    assert "Not tried again: " in again.stdout
    assert "damaged" in again.stdout
    assert set(command.query("SELECT fault, is_superseded FROM failed_checkpoints")) == {("lasting", False)}
    n_failed = "SELECT count(*) FROM probe_runs WHERE status = 'failed'"
    before = command.query(n_failed)
    assert command("run", study, "--retry").returncode == 1
    assert command.query(n_failed) > before

    truncated.write_bytes(whole[10])
    poisoned.write_bytes(whole[20])
    mended = command("run", study)

    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert len(command.query("SELECT DISTINCT label FROM evidence WHERE model_id = 'mine-model'")) == 3
    assert set(command.query("SELECT is_superseded FROM failed_checkpoints")) == {(True,)}


def test_one_more_checkpoint_causes_its_own_probe_runs_alone(
    command: Command, write_study: WriteStudy, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    local_checkpoints(folder)
    kept = shutil.move(folder / "step0", tmp_path / "step0")
    study = write_study(family("mine", {"local": str(folder)}, role="natural"))
    assert command("run", study).returncode == 0
    before = set(command.query("SELECT probe_run_id FROM probe_runs"))
    shutil.move(kept, folder / "step0")

    told = command("status", study).stdout
    assert "1 checkpoints due in 1 of 1 training runs" in told
    assert "In all: about" in told
    assert command("run", study).returncode == 0

    new = command.query("SELECT checkpoint_id, probe FROM probe_runs WHERE since_build = 2 ORDER BY ALL")
    assert new == [("mine-model@step0", "attention"), ("mine-model@step0", "repeats")]
    assert before < set(command.query("SELECT probe_run_id FROM probe_runs"))


def test_a_pickle_is_refused(command: Command, write_study: WriteStudy, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt_neox"}')
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")

    outcome = command("run", write_study(family("pickled", {"local": str(folder)})))

    assert outcome.returncode == 1
    assert "pickle" in outcome.stdout + outcome.stderr
    assert "safetensors" in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stdout + outcome.stderr


def test_ctrl_c_loses_nothing_that_was_finished(command: Command, write_study: WriteStudy) -> None:
    study = write_study(family("small-neox", {"calibration": recipe(seeds=[0, 1, 2, 3])}))
    process = command.start("run", study, "--workers", "1")
    ledger = command.home / "record" / "ledger" / "probe_runs"
    wait_until(lambda: ledger.exists() and len(list(ledger.glob("*.ok.json"))) >= 6)

    output = interrupt(process)

    assert process.returncode == 130, output
    assert "goes on from there" in output
    assert "Traceback" not in output
    kept = {path.name: path.read_bytes() for path in ledger.glob("*.ok.json")}
    assert command("run", study).returncode == 0
    assert {name: (ledger / name).read_bytes() for name in kept} == kept
    assert command.query("SELECT count(*), count(DISTINCT cache_key || probe) FROM probe_runs") == [(32, 32)]


def test_a_killed_worker_is_told_and_the_rest_is_done_by_the_next_run(
    command: Command, write_study: WriteStudy
) -> None:
    study = write_study(family("small-neox", {"calibration": recipe(seeds=[0, 1])}))
    process = command.start("run", study, "--workers", "1")
    ledger = command.home / "record" / "ledger" / "checkpoints"
    wait_until(lambda: ledger.exists() and any(ledger.glob("*.json")))
    for worker in children(process.pid):
        if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes():
            os.kill(worker, signal.SIGKILL)

    output, _ = process.communicate(timeout=600)

    assert process.returncode == 1
    assert "was killed by signal 9" in output
    assert command("run", study).returncode == 0
    assert command.query("SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(6,)]


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        # macOS has none; Linux, on which CI runs, always has.
        pytest.skip("needs /proc to find the worker")
    return [int(child) for child in listed.read_text().split()]


def test_two_runs_at_once_end_in_one_sound_catalog(command: Command, write_study: WriteStudy) -> None:
    study = write_study(family("small-neox", {"calibration": recipe()}))

    both = [command.start("run", study, "--workers", "1") for _ in range(2)]
    outputs = [process.communicate(timeout=900)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    assert command.query("SELECT count(DISTINCT checkpoint_id) FROM evidence") == [(6,)]
    twice = "SELECT cache_key FROM probe_runs GROUP BY cache_key, probe HAVING count(*) > 1"
    assert command.query(twice) == []
    assert "Nothing is due" in command("run", study).stdout


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"familys": []}, "familys"),
        ({"claims": ["prefix-matching-head-exist"]}, "prefix-matching-heads-exist"),
        ({"probes": ["attentions"]}, "Known probes: ablation, attention, "),
        ({"published": [{"importer": "trott2024", "path": "."}]}, "trott2025"),
    ],
)
def test_a_wrong_study_file_is_told_before_anything_runs(
    command: Command, write_study: WriteStudy, changes: dict[str, object], told: str
) -> None:
    outcome = command("run", write_study(family("small-neox", {"calibration": recipe()}), **changes))

    assert outcome.returncode == 1
    assert told in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not (command.home / "weights").exists()


def test_published_files_stand_beside_our_own(command: Command, write_study: WriteStudy, tmp_path: Path) -> None:
    clone = tmp_path / "clone" / "data" / "processed" / "attention_summaries"
    clone.mkdir(parents=True)
    for step in (0, 143000):
        write_published(clone, step)
    study = write_study(
        family("small-neox", {"calibration": recipe(seeds=[0], checkpoints=[20])}),
        published=[{"importer": "trott2025", "path": str(tmp_path / "clone")}],
    )

    outcome = command("run", study)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    found = command.query("SELECT DISTINCT provenance, source_id FROM evidence ORDER BY ALL")
    assert found == [("measured", "moving-target"), ("published", "trott2025")]
    assert command.query("SELECT value FROM best_heads WHERE metric_id = 'previous_token_all' AND step = 0") == [(0.5,)]


def test_a_missing_clone_is_one_line_and_a_wrong_one_is_refused(
    command: Command, write_study: WriteStudy, tmp_path: Path
) -> None:
    small = family("small-neox", {"calibration": recipe(seeds=[0], checkpoints=[20])})

    missing = command("run", write_study(small, published=[{"importer": "trott2025", "path": str(tmp_path / "none")}]))
    wrong = command("run", write_study(small, published=[{"importer": "trott2025", "path": str(tmp_path)}]))

    assert missing.returncode == 0
    assert "git clone" in missing.stdout
    assert wrong.returncode == 1
    assert "Trott" in wrong.stderr


def write_published(folder: Path, step: int) -> None:
    """A file in the layout of Trott (2025), with made-up values: one head at .5, the others at .1."""
    columns = "mpath,step_modded,revision,Layer,Head,seed,seed_name,n_params,n_layers,mean_1back,mean_first"
    rows = [
        f"EleutherAI/pythia-14m,{step + 1},step{step},{layer},{head},1,seed1,14067712,6,"
        f"{0.5 if (layer, head) == (3, 2) else 0.1},.2"
        for layer in range(1, 7)
        for head in range(1, 5)
    ]
    path = folder / f"natural_stories-rs_model-pythia-14m-step{step}-seed1_summary.csv"
    path.write_text("\n".join([columns, *rows]) + "\n")


def test_a_truncated_header_is_told_too(command: Command, write_study: WriteStudy, tmp_path: Path) -> None:
    folder = tmp_path / "short"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "gpt_neox"}')
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1000) + b"{")

    outcome = command("run", write_study(family("short", {"local": str(folder)})))

    assert outcome.returncode == 1
    assert "cut short or damaged" in outcome.stdout + outcome.stderr
