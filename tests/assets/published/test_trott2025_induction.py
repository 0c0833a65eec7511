"""The induction files, written here: what becomes of good ones, by plain arithmetic, and what is said of bad ones."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from assets.probes.registry import Measurement, Parameters, all_metrics, variant_id
from assets.published import ImportedCheckpoint
from assets.published.importing import read_all
from assets.published.trott2025 import IMPORTER
from assets.published.trott2025_induction import PREFIX_CHANCE, RECALL_CHANCE
from catalog.errors import UserError

HEADER = "mpath,seed,step,revision,n_params,n_layers,n_heads,sample,layer,head,ps,ar_acc,ar_mean_rank"
N_SAMPLES, HEADS = 5, [(layer, head) for layer in (0, 1) for head in (0, 1)]
Change = Callable[[str], str]


def ps(sample: int, layer: int, head: int) -> float:
    return round(0.1 + 0.03 * sample + 0.5 * layer + 0.011 * head * sample, 3)


def recall(sample: int) -> float:
    return round(0.5 + 0.02 * sample**2, 2)


def lines(step: int = 1000, seed: int = 3, model: str = "pythia-14m", n_samples: int = N_SAMPLES) -> list[str]:
    """A checkpoint of two layers of two heads, as the repository has them."""
    return [
        f"EleutherAI/{model},{seed},{step},step{step},14067712,2,2,{sample},{layer},{head},"
        f"{ps(sample, layer, head)},{recall(sample)},20.5"
        for sample in range(n_samples)
        for layer, head in HEADS
    ]


def write(folder: Path, *checkpoints: list[str], name: str = "induction.csv", change: Change = str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(change("\n".join([HEADER, *(line for checkpoint in checkpoints for line in checkpoint)]) + "\n"))
    return file


def imported(path: Path) -> list[ImportedCheckpoint]:
    return read_all(IMPORTER, path)


def by_head(checkpoint: ImportedCheckpoint) -> dict[tuple[int | None, int | None], Measurement]:
    return {(m.layer, m.head): m for m in checkpoint.measurements}


def test_a_file_becomes_a_checkpoint_with_a_value_per_head_and_one_of_recall(tmp_path: Path) -> None:
    write(tmp_path, lines())

    (checkpoint,) = imported(tmp_path)

    assert (checkpoint.checkpoint_id, checkpoint.step) == ("pythia-14m-seed3@step1000", 1000)
    assert (checkpoint.tokens_seen, checkpoint.is_final) == (1000 * 2_097_152, False)
    found = by_head(checkpoint)
    assert found.keys() == {*HEADS, (None, None)}
    values = [ps(sample, 1, 1) for sample in range(N_SAMPLES)]
    head = found[1, 1]
    assert (head.metric_id, head.n) == ("prefix_matching", 5)
    assert head.value == pytest.approx(statistics.mean(values))
    assert (head.value_a, head.value_b) == pytest.approx((statistics.mean(values[::2]), statistics.mean(values[1::2])))
    assert head.standard_error == pytest.approx(statistics.stdev(values) / 5**0.5)
    recalls = [recall(sample) for sample in range(N_SAMPLES)]
    whole = found[None, None]
    assert (whole.metric_id, whole.n) == ("repeat_recall", 5)
    assert whole.value == pytest.approx(statistics.mean(recalls))
    assert (whole.value_a, whole.value_b) == pytest.approx(
        (statistics.mean(recalls[::2]), statistics.mean(recalls[1::2]))
    )
    assert whole.standard_error == pytest.approx(statistics.stdev(recalls) / 5**0.5)


def test_chance_is_that_of_uniform_attention_and_of_the_bag_of_tokens() -> None:
    """Uniform attention sees i + 1 keys at query i; over all 50 positions of the copy, the bag's recall is
    (H_49 + 1/50)/50, since nothing that was not seen twice is left at the last one."""
    assert pytest.approx(np.mean([1 / (i + 1) for i in range(50, 100)])) == PREFIX_CHANCE
    assert round(PREFIX_CHANCE, 6) == 0.013763
    assert pytest.approx((sum(1 / k for k in range(1, 50)) + 1 / 50) / 50) == RECALL_CHANCE


def test_heads_are_of_the_variant_that_a_probe_measures(tmp_path: Path) -> None:
    write(tmp_path, lines())
    drawn: Parameters = {"bos": False, "input": "repeated", "m": 2, "n": 50, "tokens": "all"}

    (checkpoint,) = imported(tmp_path)

    variants = {variant_id(m.metric_id, m.parameters) for m in checkpoint.measurements}
    assert variants == {
        variant_id("prefix_matching", drawn),
        "repeat_recall.bos-false.input-repeated.m-2.n-50.positions-50.tokens-all",
    }
    known = {metric.metric_id for metric in all_metrics()}
    assert {metric.metric_id for metric in IMPORTER.metrics} <= known


def test_what_can_vary_does_not_matter(tmp_path: Path) -> None:
    """Order of columns and rows, further columns, how step and seed are written, line ends, a mark at the beginning."""
    plain = tmp_path / "plain"
    write(plain, lines())
    header, *rows = [line.split(",") for line in (HEADER, *reversed(lines()))]
    order = [12, 10, 3, 7, 0, 9, 8, 11, 1, 2, 5, 6, 4]
    turned = [",".join([*(cells[i] for i in order), "x"]) for cells in [header, *rows]]
    text = "\r\n".join(turned).replace(",1000,", ",step1000,").replace(",3,step1000,", ",seed3,step1000,")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "anything at all.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())

    (expected,), (found,) = imported(plain), imported(tmp_path / "odd")

    assert found.checkpoint_id == expected.checkpoint_id
    for at, measured in by_head(expected).items():
        assert by_head(found)[at].value == pytest.approx(measured.value)


def test_a_file_may_hold_several_checkpoints_and_a_checkpoint_is_told_by_its_rows(tmp_path: Path) -> None:
    mixed = [line for pair in zip(lines(step=143_000, seed=2), lines(step=8, seed=2), strict=True) for line in pair]
    write(tmp_path, mixed, lines(step=0, seed=1, n_samples=3))

    found = imported(tmp_path)

    assert [(c.seed, c.step, c.is_final) for c in found] == [(1, 0, False), (2, 8, False), (2, 143_000, True)]
    assert [c.measurements[0].n for c in found] == [3, 5, 5]
    assert len({c.file_sha256 for c in found}) == 1


@pytest.mark.parametrize("place", [".", "induction_results", "data/processed/induction_results"])
def test_a_clone_or_its_folder_will_do(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, lines())
    write(tmp_path / "data" / "processed" / "elsewhere", lines(step=16))

    assert [c.step for c in imported(tmp_path)] == [1000]


def test_one_path_reads_both_kinds_of_file(tmp_path: Path) -> None:
    from tests.assets.published.test_trott2025 import write as write_attention

    write_attention(tmp_path / "data" / "processed" / "attention_summaries", step=1000, seed=3)
    write(tmp_path / "data" / "processed" / "induction_results", lines())

    found = imported(tmp_path)

    assert [c.checkpoint_id for c in found] == ["pythia-14m-seed3@step1000"] * 2
    assert {m.metric_id for c in found for m in c.measurements} == {metric.metric_id for metric in IMPORTER.metrics}


def test_a_single_sample_has_no_halves_and_no_error(tmp_path: Path) -> None:
    write(tmp_path, lines(n_samples=1))

    (checkpoint,) = imported(tmp_path)

    assert {(m.value_b, m.standard_error, m.n) for m in checkpoint.measurements} == {(None, None, 1)}


def renumbered(samples: dict[int, int]) -> Change:
    """Head 0 of layer 0 has rows of other samples: the numbers of rows stay the same."""

    def change(text: str) -> str:
        for old, new in samples.items():
            text = text.replace(f",14067712,2,2,{old},0,0,", f",14067712,2,2,{new},0,0,")
        return text

    return change


FIRST, LAST = lines()[0], lines()[-1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace(",ps,", ",prefix,"), "lacks the column ps"),
        (lambda text: text.replace("ar_mean_rank", "ps"), "has the column ps twice"),
        (lambda text: text.replace(",0.1,", ",none,", 1), "line 2, column ps: 'none' is not a number"),
        (lambda text: text.replace(",0.1,", ",nan,", 1), "line 2, column ps holds nan, which is not between 0 and 1"),
        (lambda text: text.replace(",0.1,", ",inf,", 1), "line 2, column ps holds inf"),
        (lambda text: text.replace(",0.1,", ",-0.1,", 1), "line 2, column ps holds -0.1"),
        (lambda text: text.replace(",0.82,", ",1.82,"), "column ar_acc holds 1.82, which is not between 0 and 1"),
        (lambda text: text.replace(",0.1,", ",,", 1), "line 2, column ps is empty"),
        (lambda text: text.replace(",2,2,0,0,0,", ",2,2,0,zero,0,"), "line 2, column layer: 'zero' is not a whole"),
        (lambda text: text.replace(",2,2,0,0,0,", ",2,2,0,,0,"), "line 2, column layer is empty"),
        (
            lambda text: text.replace(FIRST + "\n", ""),
            "layer 0, head 0 has 4 rows, which are not one for each of the 5",
        ),
        (lambda text: text + LAST + "\n", "layer 1, head 1 has 6 rows"),
        (renumbered({1: 0, 2: 3}), "layer 0, head 0 has 5 rows, which are not one for each"),
        (renumbered({0: 1, 2: 1}), "layer 0, head 0 has 5 rows, which are not one for each"),
        (
            lambda text: text.replace(LAST, LAST.replace(",1,1,0", ",1,2,0")),
            "5 heads that are not the 2 layers of 2, counted from 0",
        ),
        (lambda text: text.replace(",14067712,2,2,", ",14067712,2,3,"), "4 heads that are not the 2 layers of 3"),
        (lambda text: text.replace(",0.52,", ",0.54,", 1), "sample 1: column ar_acc says 0.52 and 0.54 in rows of one"),
        (lambda text: text.replace(",step1000,", ",step512,"), "column revision says 'step512' where 'step1000' is ex"),
        (lambda text: text.replace(",3,1000,", ",three,1000,"), "column seed says 'three', which is no whole number"),
        (lambda text: text.replace("pythia-14m", "gpt2"), "column mpath says 'EleutherAI/gpt2', which is none of pyth"),
        (lambda text: text.splitlines()[0] + "\n", "no rows"),
        (lambda text: text.replace(FIRST, FIRST + ",7"), "line 2"),
        (lambda text: text.replace(FIRST, FIRST.rpartition(",")[0]), "line 2"),
        (lambda text: text.replace(FIRST, f'"{FIRST}'), "not readable as CSV"),
        (lambda text: text + "\n".join(lines()).replace(",1000,", ",step1000,") + "\n", "seed3@step1000 twice"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong_and_nothing_is_imported(
    tmp_path: Path, change: Change, told: str
) -> None:
    write(tmp_path, lines(step=1), name="good.csv")
    bad = write(tmp_path, lines(), name="with 'quotes'.csv", change=change)

    with pytest.raises(UserError) as error:
        imported(tmp_path)

    assert told in error.value.what
    assert error.value.where == str(bad)
    assert error.value.mend


def test_an_empty_file_and_one_that_is_no_text_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "induction_results"
    bad = write(folder, lines(), name="empty.csv", change=lambda text: "")
    with pytest.raises(UserError, match="lacks the column mpath"):
        imported(tmp_path)
    bad.write_bytes(HEADER.encode() + b"\n" + FIRST.encode().replace(b"pythia", b"\xff\xfe") + b"\n")

    with pytest.raises(UserError, match=r"empty\.csv"):
        imported(tmp_path)


def test_a_checkpoint_in_two_files_is_refused(tmp_path: Path) -> None:
    write(tmp_path, lines(), name="a.csv")
    write(tmp_path, lines(), name="b.csv")

    with pytest.raises(UserError, match=r"Two files hold the checkpoint pythia-14m-seed3@step1000: a.csv and b.csv"):
        imported(tmp_path)
