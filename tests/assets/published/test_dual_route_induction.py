"""Attention scores in the layout of sfeucht/dual-route-induction.

The values of layer 0 are the published ones of cache/attention_scores/pythia-6.9b/step16/n2048_seqlen30.json (commit
077aab53, MIT, Copyright (c) 2025 Sheridan Feucht); those of the other layers are made up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.models.hub.revisions import checkpoints_of
from assets.models.runs import training_runs
from assets.published import ImportedCheckpoint
from assets.published.dual_route_induction import CHANCE, IMPORTER
from assets.published.importing import import_published, is_imported, read_all
from assets.study import Published, Study
from catalog.build import finish, publishing, stage
from catalog.errors import UserError
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record

NEXT = (
    0.02092400472611189, 0.021620955027174205, 0.019882425491232425, 0.022210638591786847, 0.019939105404773727,
    0.02124716155230999, 0.020487468864303082, 0.021911226183874533, 0.02243888154043816, 0.019820535817416385,
    0.021709217835450545, 0.025775153830181807, 0.021615291421767324, 0.019456726586213335, 0.022981556016020477,
    0.022347448859363794, 0.019432170054642484, 0.02082231844542548, 0.019654785457532853, 0.020461862324737012,
    0.02011857516481541, 0.02112235879758373, 0.022884469683049247, 0.021750011015683413, 0.022324571385979652,
    0.021614649042021483, 0.019927826564526185, 0.02304154052399099, 0.021526089316466823, 0.01915749831823632,
    0.022204742184840143, 0.02172011017682962,
)  # fmt: skip
LAST = (0.021458507544593886, 0.02276554040145129, 0.02115108715952374, 0.02022770993062295)
BASE = "n2048_seqlen30.json"
RANDOM = "n2048_seqlen30_randomtokents.json"
Table = dict[str, list[dict[str, Any]]]


def table() -> Table:
    """All heads of a model of 32 layers of 32 heads."""

    def rows(published: tuple[float, ...]) -> list[dict[str, Any]]:
        made_up = [0.5 + layer / 100 + head / 10_000 for layer in range(32) for head in range(32)]
        scores = [*published, *made_up[len(published) :]]
        return [{"layer": i // 32, "head_idx": i % 32, "score": score} for i, score in enumerate(scores)]

    return {"next_tok_attn": rows(NEXT), "end_tok_attn": rows(LAST)}


def write(root: Path, *folders: str, name: str = BASE, content: Any = None) -> Path:
    folder = root.joinpath("cache", "attention_scores", *folders)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(table() if content is None else content))
    return folder / name


def imported(root: Path) -> list[ImportedCheckpoint]:
    return read_all(IMPORTER, root)


def test_a_file_becomes_a_checkpoint_with_two_values_per_head(tmp_path: Path) -> None:
    write(tmp_path, "pythia-6.9b", "step16")

    (checkpoint,) = imported(tmp_path)

    assert (checkpoint.checkpoint_id, checkpoint.step) == ("pythia-6.9b@step16", 16)
    assert (checkpoint.tokens_seen, checkpoint.is_final) == (16 * 2_097_152, False)
    found = {(m.metric_id, m.layer, m.head): m for m in checkpoint.measurements}
    assert len(found) == len(checkpoint.measurements) == 2 * 32 * 32
    assert [found["next_token_matching", 0, head].value for head in range(32)] == [*NEXT]
    assert [found["last_token_matching", 0, head].value for head in range(4)] == [*LAST]
    assert found["last_token_matching", 31, 7].value == pytest.approx(0.8107)
    assert {m.n for m in checkpoint.measurements} == {2048}
    assert all(m.parameters == {"chunk": "counterfact", "length": 30} for m in checkpoint.measurements)


def test_heads_that_have_hardly_been_trained_are_near_chance() -> None:
    """At step 16 of 143,000 layer 0 attends nearly evenly; the published mean is some tenth above the chance stated,
    which counts the values of all tokens alike."""
    assert np.mean(NEXT) == pytest.approx(CHANCE, rel=0.15)
    lengths = [1 + 30 + 1 + p for chunk in (2, 3, 4, 5) for p in range(15, 31 - chunk)]
    assert min(lengths) == 47
    assert max(lengths) == 60
    assert 1 / 60 < CHANCE < 1 / 47


@pytest.mark.parametrize(
    ("folders", "checkpoint", "step", "is_final"),
    [
        (("pythia-6.9b",), "pythia-6.9b@step143000", 143_000, True),
        (("pythia-6.9b", "step1000"), "pythia-6.9b@step1000", 1000, False),
        (("OLMo-2-1124-7B",), "olmo-2-7b@main", None, True),
        (
            ("OLMo-2-1124-7B", "stage1-step928646-tokens3896B"),
            "olmo-2-7b-stage1@stage1-step928646-tokens3896b",
            928_646,
            True,
        ),
        (("Meta-Llama-3-8B",), "llama-3-8b@main", None, True),
        (("Llama-2-7b-hf",), "llama-2-7b@main", None, True),
    ],
)
def test_checkpoints_have_the_ids_that_measured_ones_would_have(
    tmp_path: Path, folders: tuple[str, ...], checkpoint: str, step: int | None, is_final: bool
) -> None:
    write(tmp_path, *folders)

    (found,) = imported(tmp_path)

    assert (found.checkpoint_id, found.step, found.is_final) == (checkpoint, step, is_final)
    runs = {run.run_id: run for run in training_runs(Study(name="s", families=[found.family_id], probes=["attention"]))}
    run = runs[found.run_id]
    listed = {"main": "c", folders[-1]: "c", "step143000": "c"}
    labels = {planned.label: planned for planned in checkpoints_of(run.spec, run.seed, listed)}
    assert labels[found.label].step == step
    assert labels[found.label].tokens_seen == found.tokens_seen


def test_random_chunks_are_another_variant_of_the_same_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, "Meta-Llama-3-8B")
    write(tmp_path, "Meta-Llama-3-8B", name=RANDOM)

    found = imported(tmp_path)

    assert [c.checkpoint_id for c in found] == ["llama-3-8b@main"] * 2
    assert {dict(c.measurements[0].parameters)["chunk"] for c in found} == {"counterfact", "random"}


@pytest.mark.parametrize("place", [".", "cache", "cache/attention_scores", "cache/attention_scores/pythia-6.9b"])
def test_a_clone_or_a_folder_of_it_will_do(tmp_path: Path, place: str) -> None:
    write(tmp_path, "pythia-6.9b", "step16")

    assert [c.label for c in imported(tmp_path / place)] == ["step16"]


def test_imported_heads_stand_in_evidence_with_their_source(tmp_path: Path) -> None:
    write(tmp_path, "pythia-6.9b", "step16")
    home, published = Home(tmp_path / "home"), Published(importer="dual_route_induction", path=str(tmp_path / "cache"))

    assert import_published(published, home, lambda line: None).n_rows == 2048
    assert is_imported(published, Record(home))
    with publishing(home):
        finish(home, stage(home))

    with open_catalog(home) as connection:
        (row,) = connection.execute(
            "SELECT e.value, e.chance, s.licence, s.may_redistribute, m.n_layers FROM evidence AS e "
            "JOIN sources AS s USING (source_id) JOIN models AS m USING (model_id) "
            "WHERE metric_id = 'next_token_matching' AND layer = 0 AND head = 11"
        ).fetchall()
    assert row == (0.025775153830181807, pytest.approx(CHANCE), "MIT", True, 32)


def changed(**change: Any) -> Table:
    """The content with the first row of end_tok_attn changed."""
    content = table()
    content["end_tok_attn"][0] |= change
    return content


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "not of the form"),
        ({"next_tok_attn": []}, "not of the form"),
        ({**table(), "end_tok_attn": [{"layer": 0}]}, "not of the form"),
        ({**table(), "end_tok_attn": table()["end_tok_attn"][1:]}, "end_tok_attn has 1023 rows of 1023 heads"),
        (changed(head_idx=1), "end_tok_attn has 1024 rows of 1023 heads, where 32 layers of 32 are 1024"),
        (changed(score=1.5), "end_tok_attn, layer 0, head 0: 1.5 is not between 0 and 1"),
        (changed(score=float("nan")), "nan is not between 0 and 1"),
        (changed(score="high"), "'high' is not between 0 and 1"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: Any, told: str) -> None:
    bad = write(tmp_path, "pythia-6.9b", content=content)

    with pytest.raises(UserError) as error:
        imported(tmp_path)

    assert told in error.value.what
    assert error.value.where == str(bad)


@pytest.mark.parametrize("folders", [("gpt2",), ("pythia-6.9b", "main"), ("pythia-6.9b", "step1", "x"), ()])
def test_a_folder_that_names_no_checkpoint_of_the_study_is_told(tmp_path: Path, folders: tuple[str, ...]) -> None:
    write(tmp_path, *folders)

    with pytest.raises(UserError, match="none of a model and checkpoint that the study measured") as error:
        imported(tmp_path)

    assert error.value.lasting


def test_a_folder_without_scores_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no attention scores"):
        imported(tmp_path)
