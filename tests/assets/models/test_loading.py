"""Loading: what transformers would let pass is refused; which tokens are ordinary; whether BOS is put in front."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from assets.models.loading import adds_bos, load, load_tokenizer, ordinary_token_ids
from catalog.errors import UserError

WORDS = ["<unk>", "<s>", "</s>", "a", *(f"w{i}" for i in range(4, 30))]
"""Words of the test's tokenizer, fewer than the model's 40 rows."""


@pytest.fixture
def folder(llama_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(llama_folder, tmp_path / "checkpoint"))


def write_tokenizer(folder: Path, *, bos_in_front: bool = False, **special: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    if bos_in_front:
        tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    of_model = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", **special}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **of_model)
    made.save_pretrained(folder)
    return made


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def loaded(folder: Path, **options: Any) -> Any:
    return load(folder, checkpoint_id="model@step1", role="natural", **options)


def test_a_folder_becomes_a_model_with_its_weights(folder: Path) -> None:
    found = loaded(folder)

    stored = load_file(folder / "model.safetensors")
    held = found.model.state_dict()
    assert (found.checkpoint_id, found.role, found.model.training) == ("model@step1", "natural", False)
    assert all(torch.equal(held[name], weight) for name, weight in stored.items())


def test_weights_are_converted_to_the_precision_asked_for(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)

    assert loaded(folder).dtype == torch.float32
    assert loaded(folder, dtype="bfloat16").dtype == torch.bfloat16


def test_a_missing_weight_is_refused_where_transformers_would_draw_one(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.pop("model.layers.1.mlp.up_proj.weight"))

    with pytest.raises(
        UserError, match=r"1 weights are missing from the files: model\.layers\.1\.mlp\.up_proj"
    ) as told:
        loaded(folder)
    assert told.value.where.startswith("model@step1")


def test_a_weight_that_the_model_has_no_place_for_is_refused(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.update({"model.layers.2.mlp.up_proj.weight": torch.zeros(2)}))

    with pytest.raises(UserError, match=r"in the files but not in the model: model\.layers\.2"):
        loaded(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    change_config(folder, intermediate_size=20)

    with pytest.raises(UserError, match="can't be loaded"):
        loaded(folder)


def test_a_tied_unembedding_is_not_missing(folder: Path) -> None:
    change_config(folder, tie_word_embeddings=True)
    change_weights(folder, lambda weights: weights.pop("lm_head.weight"))

    model = loaded(folder).model

    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(UserError, match="cut short"):
        loaded(folder)


def test_a_pickle_is_never_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(UserError, match="pickle"):
        loaded(folder)


def test_code_that_comes_with_weights_is_never_run(folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (folder / "modeling_own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    change_config(folder, model_type="own", auto_map=own)

    with pytest.raises(UserError, match="can't be loaded") as told:
        loaded(folder)
    assert "never run" in told.value.mend
    assert not ran.exists()


def test_an_unknown_architecture_is_told(folder: Path) -> None:
    change_config(folder, model_type="perceptron")

    with pytest.raises(UserError, match="can't be loaded"):
        loaded(folder)


# Tokens


def test_without_a_tokenizer_every_id_is_ordinary_and_there_is_no_bos(folder: Path) -> None:
    found = loaded(folder)

    assert found.ordinary_token_ids.tolist() == list(range(40))
    assert (found.bos_token_id, found.adds_bos) == (None, False)


def test_special_ids_and_padding_rows_are_not_ordinary(folder: Path) -> None:
    write_tokenizer(folder)

    found = loaded(folder)

    assert found.ordinary_token_ids.tolist() == list(range(3, 30))
    assert found.ordinary_token_ids.dtype == torch.int64


def test_further_special_tokens_are_not_ordinary(folder: Path) -> None:
    tokenizer = write_tokenizer(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["w7", "<tool>"]})
    tokenizer.save_pretrained(folder)

    ids = loaded(folder).ordinary_token_ids.tolist()

    assert ids == [i for i in range(3, 30) if i != 7]


def test_ids_that_weight_decay_alone_has_moved_are_not_ordinary(folder: Path) -> None:
    def shrink(weights: dict[str, torch.Tensor]) -> None:
        weights["model.embed_tokens.weight"][[4, 9]] *= 0.1
        weights["model.embed_tokens.weight"][12] = 0

    change_weights(folder, shrink)

    ids = loaded(folder).ordinary_token_ids.tolist()

    assert set(range(40)) - set(ids) == {4, 9, 12}


def test_random_rows_of_any_width_are_ordinary() -> None:
    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = torch.nn.Embedding(50_000, 32)

        def get_input_embeddings(self) -> torch.nn.Embedding:
            return self.rows

    ids = ordinary_token_ids(Model(), None)  # type: ignore[arg-type]

    assert ids.tolist() == list(range(50_000))


@pytest.mark.parametrize("bos_in_front", [True, False])
def test_the_tokenizer_is_asked_whether_it_adds_bos(folder: Path, bos_in_front: bool) -> None:
    write_tokenizer(folder, bos_in_front=bos_in_front)

    found = loaded(folder)

    assert (found.bos_token_id, found.adds_bos) == (1, bos_in_front)
    assert adds_bos(load_tokenizer(folder)) is bos_in_front  # type: ignore[arg-type]


def test_a_damaged_tokenizer_is_told(folder: Path) -> None:
    write_tokenizer(folder)
    (folder / "tokenizer.json").write_text("{")

    with pytest.raises(UserError, match="tokenizer can't be read"):
        loaded(folder)
