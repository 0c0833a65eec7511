"""The importer on files written here (good and bad), and on the published ones where they are on disk."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from assets.probes.registry import Measurement, Parameters, all_metrics
from assets.probes.text_attention import FIRST_TOKEN_ALL, PREVIOUS_TOKEN_ALL
from assets.published import ImportedCheckpoint, importer_named, importers
from assets.published.importing import read_all
from assets.published.trott2025 import IMPORTER
from catalog.errors import UserError

COLUMNS = (
    "mpath,step_modded,revision,Layer,Head,seed,seed_name,n_params,n_layers,"
    "mean_prev_self_ratio,mean_prev_all_ratio,prev_fraction,mean_1back,mean_first"
)
Change = Callable[[str], str]


def write(folder: Path, step: int = 8, seed: int = 4, change: Change = str, model: str = "pythia-14m") -> Path:
    """A file of two layers of two heads, as the repository has them; `change` mends its text."""
    rows = [
        f"EleutherAI/{model},{step + 1},step{step},{layer},{head},{seed},seed{seed},14067712,2,"
        f".7,2.8,.007,0.{layer}{head},0.2{layer}{head}"
        for layer in (1, 2)
        for head in (1, 2)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"natural_stories-rs_model-{model}-step{step}-seed{seed}_summary.csv"
    file.write_text(change("\n".join([COLUMNS, *rows]) + "\n"))
    return file


def imported(path: Path) -> list[ImportedCheckpoint]:
    return read_all(IMPORTER, path)


def test_importers_are_found_by_looking_into_the_folder() -> None:
    assert importers()["trott2025"] is IMPORTER
    assert {*importers()} == {"dual_route_induction", "every_eval_ever", "trott2025"}
    with pytest.raises(UserError, match=r"no importer 'trot'(.|\n)*study.yaml(.|\n)*trott2025"):
        importer_named("trot", where="study.yaml")


def test_a_file_becomes_a_checkpoint_with_two_values_per_head(tmp_path: Path) -> None:
    file = write(tmp_path)

    (checkpoint,) = imported(tmp_path)

    assert checkpoint.checkpoint_id == "pythia-14m-seed4@step8"
    assert (checkpoint.run_id, checkpoint.model_id, checkpoint.family_id) == (
        "pythia-14m-seed4",
        "pythia-14m",
        "pythia",
    )
    assert (checkpoint.seed, checkpoint.label, checkpoint.step) == (4, "step8", 8)
    assert checkpoint.tokens_seen == 8 * 2_097_152
    assert not checkpoint.is_final
    assert checkpoint.file == file.name
    assert checkpoint.file_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(checkpoint.measurements) == 8
    parameters: Parameters = {"corpus": "natural-stories+dundee", "bos": False}
    assert checkpoint.measurements[2] == Measurement(
        "previous_token_all", parameters, value=0.21, layer=1, head=0, chance=0.126, n=666
    )
    assert checkpoint.measurements[-1] == Measurement(
        "first_token_all", parameters, value=0.222, layer=1, head=1, chance=0.166, n=666
    )


def test_only_the_last_step_of_training_is_final(tmp_path: Path) -> None:
    write(tmp_path, step=142_999)
    write(tmp_path, step=143_000)

    assert [(c.step, c.is_final) for c in imported(tmp_path)] == [(142_999, False), (143_000, True)]


@pytest.mark.parametrize("place", [".", "attention_summaries", "data/processed/attention_summaries"])
def test_a_clone_or_its_folder_will_do(tmp_path: Path, place: str) -> None:
    write(tmp_path / place)
    write(tmp_path / "data" / "processed" / "elsewhere", step=16)

    assert [c.step for c in imported(tmp_path)] == [8]


def test_checkpoints_come_by_run_and_step(tmp_path: Path) -> None:
    for step, seed in ((64, 1), (8, 2), (8, 1), (512, 1)):
        write(tmp_path, step, seed)

    assert [(c.seed, c.step) for c in imported(tmp_path)] == [(1, 8), (1, 64), (1, 512), (2, 8)]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_wrong_path_tells_how_to_get_the_files(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UserError) as error:
        imported(tmp_path / folder)

    assert error.value.what == (
        "The folder does not exist." if folder == "nowhere" else "The folder holds no files of Trott (2025)."
    )
    assert error.value.where == str(tmp_path / folder)
    assert "git clone" in error.value.mend


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("mean_1back", "mean_2back"), "lacks the column mean_1back"),
        (lambda text: text.replace("0.21,", "none,"), "line 4, column mean_1back: 'none' is not a number"),
        (lambda text: text.replace("0.21,", ","), "line 4, column mean_1back: None is not a number"),
        (lambda text: text.replace("0.21,", "nan,"), "column mean_1back holds nan, which is no mean probability"),
        (lambda text: text.replace("0.21,", "1.21,"), "column mean_1back holds 1.21, which is no mean probability"),
        (
            lambda text: text.replace(",9,step8,2,2", ",9,step8,two,2"),
            "line 5, column Layer: 'two' is not a whole number",
        ),
        (lambda text: text.replace(",9,step8,2,2", ",17,step8,2,2"), "column step_modded says 17 where 9 is expected"),
        (lambda text: text.replace("14m,9,step8,2,2", "70m,9,step8,2,2"), "'EleutherAI/pythia-70m' where 'Eleu"),
        (lambda text: text.replace(",9,step8,2,2", ",9,step8,2,1"), "4 rows of 3 heads, where 2 layers of 2 are 4"),
        (lambda text: text.rpartition("EleutherAI")[0], "3 rows of 3 heads, where 2 layers of 2 are 4"),
        (lambda text: text.splitlines()[0], "no rows"),
        (lambda text: "", "not readable as CSV"),
        (lambda text: text.replace("seed4,", "seed4,0,", 1), "not readable as CSV"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_and_nothing_is_imported(
    tmp_path: Path, change: Change, told: str
) -> None:
    write(tmp_path, step=1)
    bad = write(tmp_path, change=change)

    with pytest.raises(UserError) as error:
        imported(tmp_path)

    assert told in error.value.what
    assert error.value.where == str(bad)
    assert error.value.mend


def test_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.unlink()
    file.mkdir()

    with pytest.raises(UserError, match="can't be read: Is a directory"):
        imported(tmp_path)


def test_a_missing_column_lists_those_expected(tmp_path: Path) -> None:
    write(tmp_path, change=lambda text: text.replace("Head", "head"))

    with pytest.raises(UserError, match="Columns expected: mpath, step_modded, revision, Layer, Head, seed"):
        imported(tmp_path)


def test_a_checkpoint_in_two_files_is_refused(tmp_path: Path) -> None:
    for place in ("attention_summaries", "copy/attention_summaries"):
        write(tmp_path / place)

    with pytest.raises(UserError, match="Two files hold the checkpoint pythia-14m-seed4@step8"):
        imported(tmp_path)


SHA = "0123456789abcdef0123456789abcdef01234567"


def test_the_source_names_its_commit_where_the_clone_tells_it(tmp_path: Path) -> None:
    data = write(tmp_path / "data" / "processed" / "attention_summaries").parent
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")

    unknown = IMPORTER.source(tmp_path)["commit_sha"]
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{SHA} refs/heads/main\n")
    packed = IMPORTER.source(tmp_path)["commit_sha"]
    (git / "refs" / "heads" / "main").write_text(f"{SHA[::-1]}\n")
    loose = IMPORTER.source(data)["commit_sha"]
    (git / "HEAD").write_text(f"{SHA}\n")
    detached = IMPORTER.source(data)["commit_sha"]

    assert (unknown, packed, loose, detached) == (None, SHA, SHA[::-1], SHA)


def test_the_source_says_that_nothing_may_be_handed_on(tmp_path: Path) -> None:
    source = IMPORTER.source(tmp_path)

    assert source["source_id"] == "trott2025"
    assert (source["kind"], source["licence"], source["may_redistribute"]) == ("published", "none", False)
    assert (source["commit_sha"], source["known_on"]) == (None, date(2025, 9, 26))
    assert "2509.22831" in source["citation"]


def test_its_metrics_are_those_that_a_probe_measures() -> None:
    """One definition, so that published and measured values differ in their text alone."""
    measured = {metric.metric_id: metric for metric in all_metrics()}

    assert all(measured[metric.metric_id] is metric for metric in IMPORTER.metrics)


@pytest.mark.reference
def test_the_published_files_are_imported_whole(trott2025: list[ImportedCheckpoint]) -> None:
    assert len(trott2025) == 576
    assert Counter(Counter(c.run_id for c in trott2025).values()) == {16: 36}
    assert sum(c.is_final for c in trott2025) == 36
    heads = {c.model_id: len(c.measurements) // 2 for c in trott2025}
    assert heads == {"pythia-14m": 24, "pythia-70m": 48, "pythia-160m": 144, "pythia-410m": 384}


@pytest.mark.reference
def test_the_published_values_are_those_of_the_files(
    trott2025: list[ImportedCheckpoint], trott2025_folder: Path
) -> None:
    checkpoint = next(c for c in trott2025 if c.checkpoint_id == "pythia-160m-seed7@step512")
    rows = pl.read_csv(next(trott2025_folder.rglob(checkpoint.file)))

    read = {(m.metric_id, m.layer, m.head): m.value for m in checkpoint.measurements}

    for row in rows.iter_rows(named=True):
        at = (row["Layer"] - 1, row["Head"] - 1)
        assert read["previous_token_all", *at] == row["mean_1back"]
        assert read["first_token_all", *at] == row["mean_first"]


@pytest.mark.reference
def test_before_training_heads_attend_as_uniform_attention_does(trott2025: list[ImportedCheckpoint]) -> None:
    """The stated chance levels are right to the three digits given."""
    for metric in (PREVIOUS_TOKEN_ALL, FIRST_TOKEN_ALL):
        at_start = [m for c in trott2025 if c.step == 0 for m in c.measurements if m.metric_id == metric.metric_id]
        mean = sum(m.value for m in at_start) / len(at_start)
        assert mean == pytest.approx(at_start[0].chance, abs=0.0006)
