"""The probe against the full matrix over the vocabulary, full attention matrices, and circuits with known answers."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from assets.models.engine.loaded import LoadedModel
from assets.probes import copying
from assets.probes.copying import PROBE, copying_eigenvalue
from assets.probes.inputs import Shape, Size, sample
from assets.probes.registry import Measurement, NotApplicable, Setting
from catalog.errors import UserError
from tests.assets.conftest import SIZES
from tests.assets.probes.settings import sized

SMALL = {"n": 6, "m": 2, "n_sequences": 4}
SEED = 3


def by_head(measurements: list[Measurement], metric_id: str) -> dict[tuple[int, int], Measurement]:
    return {(m.layer or 0, m.head or 0): m for m in measurements if m.metric_id == metric_id}


def spread_gains(loaded: LoadedModel) -> LoadedModel:
    """Gains of norms away from one, so that leaving out a fold shows; biases of projections stay as they are."""
    torch.manual_seed(5)
    for name, parameter in loaded.model.named_parameters():
        if parameter.ndim == 1 and "norm" in name + "ln_" and name.endswith("weight"):
            torch.nn.init.uniform_(parameter, 0.2, 2.0)
    return loaded


def circuit(loaded: LoadedModel, layer: int, head: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """W_V and W_O of a head, from residual stream to residual stream, and W_U behind the last norm, by name."""
    base, d_head = loaded.model.base_model, 8
    if loaded.model.config.model_type == "gpt_neox":
        block = base.layers[layer]
        value = block.attention.query_key_value.weight.T.unflatten(1, (4, 3, d_head))[:, head, 2]
        output = block.attention.dense.weight.T[head * d_head : (head + 1) * d_head]
        centre = torch.eye(32) - 1 / 32
        first, last, after = block.input_layernorm.weight, base.final_layer_norm.weight, torch.ones(32)
    else:
        block = base.layers[layer]
        value = block.self_attn.v_proj.weight.T[:, (head // 2) * d_head : (head // 2 + 1) * d_head]
        output = block.self_attn.o_proj.weight.T[head * d_head : (head + 1) * d_head]
        centre = torch.eye(32)
        is_gemma = loaded.model.config.model_type == "gemma2"
        first, last = is_gemma + block.input_layernorm.weight, is_gemma + base.norm.weight
        after = 1 + block.post_attention_layernorm.weight if is_gemma else torch.ones(32)
    unembedding = loaded.model.get_output_embeddings().weight.T
    with torch.no_grad():
        return centre @ (first[:, None] * value), output * after, centre @ (last[:, None] * unembedding)


ARCHITECTURES = ["gpt_neox", "llama", "gemma2"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("rows", [4096, 7], ids=["at once", "some rows at a time"])
def test_eigenvalues_equal_those_of_the_full_matrix(
    tiny_model: Callable[..., LoadedModel], architecture: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "ROWS_AT_A_TIME", rows)
    loaded = spread_gains(tiny_model(architecture))

    found = by_head(PROBE.measure(loaded, sized(SMALL, SEED)).measurements, "copying_eigenvalue")

    assert found.keys() == {(layer, head) for layer in range(2) for head in range(4)}
    for (layer, head), measurement in found.items():
        value, output, unembedding = circuit(loaded, layer, head)
        full = loaded.model.get_input_embeddings().weight.detach() @ value @ output @ unembedding
        eigenvalues = np.linalg.eigvals(full.double().numpy())
        wanted = eigenvalues.sum().real / np.abs(eigenvalues).sum()
        # the full matrix, 61 by 61, has 53 eigenvalues that are 0 but for rounding, each of which adds its modulus
        assert measurement.value == pytest.approx(wanted, abs=1e-4)
        assert measurement.chance == 0
    assert max(abs(m.value) for m in found.values()) > 0.1


def by_definition(loaded: LoadedModel, layer: int, head: int, sequence: torch.Tensor) -> float:
    """The raised logit of one head on one sequence, one position at a time, over eager attention."""
    copy = AutoModelForCausalLM.from_config(loaded.model.config, attn_implementation="eager").eval()
    copy.load_state_dict(loaded.model.state_dict())
    with torch.no_grad():
        out = copy(sequence[None], output_attentions=True, output_hidden_states=True)
        block = copy.base_model.layers[layer]
        normed = block.input_layernorm(out.hidden_states[layer][0])
    matrix = out.attentions[layer][0, head]
    if loaded.model.config.model_type == "gpt_neox":
        fused = block.attention.query_key_value(normed).unflatten(1, (4, 3, 8))
        values = fused[:, head, 2]
    else:
        values = block.self_attn.v_proj(normed).unflatten(1, (2, 8))[:, head // 2]
    _, output, unembedding = circuit(loaded, layer, head)
    shares = []
    for i in range(1, len(sequence)):
        seen = [j for j in range(i + 1) if matrix[i, j] > 0]
        logits = ((matrix[i] @ values) @ output @ unembedding)[sequence[seen]]
        raised = (logits - logits.mean()).clamp_min(0)
        shares.append((raised[seen.index(int(matrix[i].argmax()))] / raised.sum()).item())
    return statistics.fmean(shares)


@pytest.mark.parametrize("adds_bos", [False, True], ids=["", "bos"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_raised_logits_equal_the_definition(
    tiny_model: Callable[..., LoadedModel], architecture: str, adds_bos: bool
) -> None:
    loaded = spread_gains(tiny_model(architecture, adds_bos))

    found = by_head(PROBE.measure(loaded, sized(SMALL, SEED)).measurements, "copying_raised_logit")

    sequences = sample(loaded, "distinct", Shape(**SMALL), SEED)
    for layer, head in [(0, 0), (0, 3), (1, 2)]:
        values = [by_definition(loaded, layer, head, sequence) for sequence in sequences]
        assert found[layer, head].value == pytest.approx(statistics.fmean(values), abs=1e-4)
        assert found[layer, head].value_a == pytest.approx(statistics.fmean(values[::2]), abs=1e-4)
        assert found[layer, head].n == 4
        assert found[layer, head].parameters == {"input": "distinct", "n": 6, "m": 2, "bos": adds_bos}
    n_tokens = sequences.shape[1]
    window = 8 if architecture == "gemma2" else n_tokens
    chance = statistics.fmean(1 / min(i + 1, window) for i in range(1, n_tokens))
    assert found[0, 0].chance == pytest.approx(chance)


@pytest.fixture(scope="module")
def hand_built() -> LoadedModel:
    """One layer of GPT-2 whose heads look at themselves and copy, suppress, permute, or have no weights.

    Tokens are one-hot vectors less their mean, which survive normalisation; each head has room for all of them.
    """
    n, heads = 16, 4
    config = GPT2Config(
        vocab_size=n, n_positions=64, n_embd=heads * n, n_layer=1, n_head=heads, tie_word_embeddings=False
    )
    model = GPT2LMHeadModel(config)
    for name, parameter in model.named_parameters():
        torch.nn.init.constant_(parameter, 1.0 if "ln_" in name and name.endswith("weight") else 0.0)
    one_hot = torch.zeros(n, heads * n)
    one_hot[:, :n] = torch.eye(n)
    model.transformer.wte.weight.data = one_hot.clone()
    model.lm_head.weight.data = one_hot.clone()
    attention = model.transformer.h[0].attn
    writes = (torch.eye(n), -torch.eye(n), torch.eye(n).roll(1, 0), torch.zeros(n, n))
    for head, write in enumerate(writes):
        columns = slice(head * n, (head + 1) * n)
        for part, size in enumerate((40.0, 40.0, 1.0)):
            attention.c_attn.weight.data[:n, part * heads * n :][:, columns] = torch.eye(n) * size
        attention.c_proj.weight.data[columns, :n] = write
    return LoadedModel("hand-built@main", "calibration", model, torch.arange(n))


def test_known_answers(hand_built: LoadedModel) -> None:
    found = PROBE.measure(hand_built, sized({"n": 8, "m": 2, "n_sequences": 16})).measurements

    eigenvalue, raised = (by_head(found, m) for m in ("copying_eigenvalue", "copying_raised_logit"))
    copy, suppress, permute, dead = ((0, head) for head in range(4))
    # LayerNorm takes one dimension of the 16 and the eigenvalue of its direction with it
    assert eigenvalue[copy].value == pytest.approx(1, abs=1e-5)
    assert eigenvalue[suppress].value == pytest.approx(-1, abs=1e-5)
    # a cyclic permutation's eigenvalues are the roots of unity, which sum to 0; of the full space, but for rounding
    assert abs(eigenvalue[permute].value) < 0.1
    assert eigenvalue[dead].value == 0
    assert raised[copy].value == pytest.approx(1, abs=1e-5)
    assert raised[suppress].value == 0
    # 0 where the other token can be seen already; elsewhere all logits are equal but for rounding
    assert raised[permute].value < (raised[permute].chance or 0)
    assert raised[dead].value == 0


def test_random_heads_are_at_chance(tiny_model: Callable[..., LoadedModel]) -> None:
    """Over 40 random models: the means of 320 heads within four standard errors of chance."""
    eigenvalues, shares, chance = [], [], 0.0
    for seed in range(40):
        loaded = tiny_model("llama")
        torch.manual_seed(seed)
        for parameter in loaded.model.parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.1)
        found = PROBE.measure(loaded, sized(SMALL, seed)).measurements
        eigenvalues += [m.value for m in by_head(found, "copying_eigenvalue").values()]
        shares += [m.value for m in by_head(found, "copying_raised_logit").values()]
        chance = found[-1].chance or 0

    for values, level in ((eigenvalues, 0.0), (shares, chance)):
        error = np.std(values, ddof=1) / len(values) ** 0.5
        assert abs(np.mean(values) - level) < 4 * error
        assert error < 0.02


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_spectra_are_the_singular_values_of_the_circuits(
    tiny_model: Callable[..., LoadedModel], architecture: str
) -> None:
    loaded = spread_gains(tiny_model(architecture))

    arrays = PROBE.measure(loaded, sized(SMALL, SEED)).arrays

    assert {name: values.shape for name, values in arrays.items()} == {
        "ov_spectrum": (2, 4, 8),
        "qk_spectrum": (2, 4, 8),
    }
    for layer in range(2):
        for head in range(4):
            value, output, _ = circuit(loaded, layer, head)
            wanted = np.linalg.svd((value @ output).double().numpy(), compute_uv=False)
            np.testing.assert_allclose(arrays["ov_spectrum"][layer, head], wanted[:8], rtol=1e-4)
            assert (wanted[8:] < 1e-6 * wanted[0]).all()
            assert (np.diff(arrays["qk_spectrum"][layer, head]) <= 0).all()


def test_scores_spectra_against_weights_cut_out_by_hand(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = spread_gains(tiny_model("llama"))
    layer = loaded.model.base_model.layers[1]
    gain = layer.input_layernorm.weight.detach()[:, None]
    query, key = (p.weight.detach().unflatten(0, (-1, 8)).mT for p in (layer.self_attn.q_proj, layer.self_attn.k_proj))

    found = PROBE.measure(loaded, sized(SMALL, SEED)).arrays["qk_spectrum"][1, 2]

    scores = (gain * query[2]) @ (gain * key[1]).T / 8**0.5
    np.testing.assert_allclose(found, np.linalg.svd(scores.numpy(), compute_uv=False)[:8], rtol=1e-4)


def test_layers_without_attention_have_no_spectrum(tiny_model: Callable[..., LoadedModel]) -> None:
    result = PROBE.measure(tiny_model("lfm2"), sized(SMALL, SEED))

    assert result.arrays.keys() == {"ov_spectrum"}
    assert np.isnan(result.arrays["ov_spectrum"][0]).all()
    assert np.isfinite(result.arrays["ov_spectrum"][1]).all()
    assert {m.layer for m in result.measurements} == {1}


def test_where_values_are_no_linear_map_the_output_is_measured_and_the_layers_are_named() -> None:
    latent = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8}
    sizes = SIZES | latent | {"num_key_value_heads": 4, "first_k_dense_replace": 2}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("deepseek_v3", **sizes))

    result = PROBE.measure(LoadedModel("latent@main", "natural", model, torch.arange(1, 61)), sized(SMALL, SEED))

    assert {m.metric_id for m in result.measurements} == {"copying_raised_logit"}
    assert result.notes == {"layers_without_ov_circuit": [0, 1]}
    assert "ov_spectrum" not in result.arrays


def test_weights_are_measured_where_the_input_does_not_fit(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = dataclasses.replace(tiny_model("gpt2"), ordinary_token_ids=torch.arange(1, 4))

    found = PROBE.measure(loaded, sized(SMALL, SEED)).measurements

    assert {m.metric_id for m in found} == {"copying_eigenvalue"}


@pytest.mark.parametrize(
    ("architecture", "reason"), [("bloom", "interface"), ("gptj", "interface"), ("mamba", "no atten")]
)
def test_not_applicable(tiny_model: Callable[..., LoadedModel], architecture: str, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        PROBE.measure(tiny_model(architecture), sized(SMALL, SEED))


def test_nan_is_refused(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.get_output_embeddings().weight.data[3] = torch.nan

    with pytest.raises(UserError, match="NaN") as caught:
        PROBE.measure(loaded, sized(SMALL, SEED))

    assert caught.value.where == "tiny-llama@main"


def test_overflowing_weights_do_not_end_the_process() -> None:
    reading, writing = torch.full((2, 4, 2), 1e30), torch.full((2, 2, 4), 1e30)

    with pytest.raises(np.linalg.LinAlgError):
        copying_eigenvalue(reading, writing, torch.full((4, 4), 1e300, dtype=torch.float64))


def test_declares_what_it_yields_and_runs_with(tiny_model: Callable[..., LoadedModel]) -> None:
    result = PROBE.measure(tiny_model("gpt2"), sized(SMALL, SEED))

    assert {m.metric_id for m in result.measurements} == {metric.metric_id for metric in PROBE.metrics}
    assert PROBE.parameters(Setting("natural", options=Size())) == {"n": 50, "m": 2, "n_sequences": 32}
