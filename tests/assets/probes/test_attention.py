"""The probe against METRICS' definitions, written out again here over the matrices of eager attention."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from assets.models.engine import paths
from assets.models.engine.loaded import LoadedModel
from assets.probes.attention import SHUFFLED, AttentionProbe, distinct_readouts, repeated_readouts
from assets.probes.inputs import Shape, sample
from assets.probes.registry import Measurement, NotApplicable, Setting, variant_id
from catalog.errors import UserError
from tests.assets.probes.settings import sized

SMALL = {"n": 6, "m": 2, "n_sequences": 4}
WITH_INTERFACE = ["gpt2", "gpt_neox", "opt", "llama", "mistral", "qwen3", "gemma2", "gemma3_text", "gpt_oss"]
OTHERS = ["bloom", "gptj", "gpt_neo", "lfm2"]

INPUT = {
    **dict.fromkeys(("prefix_matching", "offset_profile", "duplicate_token"), "repeated"),
    **dict.fromkeys(("prefix_matching_placebo", "previous_token", "first_token", "self_attention"), "distinct"),
    "attention_entropy": "distinct",
}

Key = tuple[str, str, int, int]
"""Metric, stratum, layer, head."""


def eager_attentions(loaded: LoadedModel, token_ids: torch.Tensor) -> dict[int, torch.Tensor]:
    """Layers' matrices (sequences, heads, queries, keys), from transformers' own eager code in a copy of the model."""
    copy = AutoModelForCausalLM.from_config(loaded.model.config, attn_implementation="eager").eval()
    copy.load_state_dict(loaded.model.state_dict())
    with torch.no_grad():
        matrices = copy(token_ids, output_attentions=True).attentions
    kinds = getattr(copy.config, "layer_types", None) or ["attention"] * len(matrices)
    return dict(zip((layer for layer, kind in enumerate(kinds) if "attention" in kind), matrices, strict=True))


def pairs_of(x: list[int], bos: bool) -> dict[tuple[str, str], dict[int, list[int]]]:
    """By metric and stratum: for each query the wanted keys, over a repeated input x. Straight from the definitions."""
    first = int(bos)
    wanted: dict[tuple[str, str], dict[int, list[int]]] = {}

    def want(metric: str, stratum: str, query: int, keys: list[int]) -> None:
        if keys:
            wanted.setdefault((metric, stratum), {})[query] = keys

    for i in range(len(x)):
        targets = [j for j in range(1, i) if x[j - 1] == x[i]]
        want("prefix_matching", "", i, targets)
        want("duplicate_token", "", i, [j for j in range(i) if x[j] == x[i]])
        for offset in range(-3, 4):
            want("offset_profile", f"offset={offset}", i, [j + offset for j in targets if first <= j + offset <= i])
    return wanted


def pairs_of_distinct(n_tokens: int, placebo: dict[int, list[int]]) -> dict[tuple[str, str], dict[int, list[int]]]:
    return {
        ("prefix_matching_placebo", ""): placebo,
        ("previous_token", ""): {i: [i - 1] for i in range(2, n_tokens)},
        ("first_token", ""): {i: [0] for i in range(1, n_tokens)},
        ("self_attention", ""): {i: [i] for i in range(n_tokens)},
    }


def window_of(loaded: LoadedModel, layer: int) -> int:
    """Keys that a query sees, itself included, from the configuration."""
    config = loaded.model.config
    if config.model_type == "gpt_neo":
        return config.window_size if config.attention_layers[layer] == "local" else 10**6
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"] * config.num_hidden_layers
    window = getattr(config, "sliding_window", None)
    return window if window and kinds[layer] == "sliding_attention" else 10**6


def expected(loaded: LoadedModel, sample_seed: int) -> dict[Key, dict[str, float]]:
    """Every measurement that the probe must yield."""
    found: dict[Key, dict[str, float]] = {}
    shape = Shape(**SMALL)
    repeated = sample(loaded, "repeated", shape, sample_seed)
    on_repeated = pairs_of(repeated[0].tolist(), loaded.adds_bos)
    on_distinct = pairs_of_distinct(repeated.shape[1], on_repeated["prefix_matching", ""])
    for kind, wanted in (("repeated", on_repeated), ("distinct", on_distinct)):
        for layer, matrix in eager_attentions(loaded, sample(loaded, kind, shape, sample_seed)).items():
            sees = {i: range(max(0, i - window_of(loaded, layer) + 1), i + 1) for i in range(matrix.shape[2])}
            for (metric, stratum), pairs in wanted.items():
                chance = statistics.fmean(sum(j in sees[i] for j in keys) / len(sees[i]) for i, keys in pairs.items())
                if chance == 0:
                    continue
                for head in range(matrix.shape[1]):
                    values = [
                        statistics.fmean(sum(A[head, i, j].item() for j in keys) for i, keys in pairs.items())
                        for A in matrix
                    ]
                    found[metric, stratum, layer, head] = {**summary_of(values), "chance": chance}
            if kind == "distinct":
                for head in range(matrix.shape[1]):
                    entropies = [normalised_entropy(A[head], sees) for A in matrix]
                    found["attention_entropy", "", layer, head] = {**summary_of(entropies), "chance": 1}
                    if loaded.model.config.model_type == "gpt_oss":
                        shares = [(1 - A[head].double().sum(-1)).mean().item() for A in matrix]
                        found["sink_share", "", layer, head] = summary_of(shares)
    return found


def normalised_entropy(matrix: torch.Tensor, sees: dict[int, range]) -> float:
    """Of one head's rows (queries, keys), each made to sum to one."""
    ratios = []
    for i, keys in sees.items():
        if len(keys) > 1:
            p = [matrix[i, j].item() for j in keys]
            ratios.append(-sum(x / sum(p) * math.log(x / sum(p)) for x in p if x > 0) / math.log(len(p)))
    return statistics.fmean(ratios)


def summary_of(values: list[float]) -> dict[str, float]:
    return {
        "value": statistics.fmean(values),
        "value_a": statistics.fmean(values[0::2]),
        "value_b": statistics.fmean(values[1::2]),
        "standard_error": statistics.stdev(values) / len(values) ** 0.5,
    }


def by_key(measurements: list[Measurement]) -> dict[Key, Measurement]:
    """Without the shuffled targets, which are a control."""
    return {(m.metric_id, m.stratum, m.layer or 0, m.head or 0): m for m in measurements if m.stratum != SHUFFLED}


@pytest.mark.parametrize(("portable", "rows"), [(False, 32), (True, 32), (True, 5)], ids=["fastest", "one", "several"])
@pytest.mark.parametrize("architecture", WITH_INTERFACE + OTHERS)
def test_equals_the_definitions_over_eager_attention(
    tiny_model: Callable[..., LoadedModel],
    architecture: str,
    portable: bool,
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "BLOCK_ROWS", rows)
    loaded = tiny_model(architecture)

    result = AttentionProbe(portable).measure(loaded, sized(SMALL, 3))

    found, wanted = by_key(result.measurements), expected(loaded, sample_seed=3)
    assert len(found) == sum(m.stratum != SHUFFLED for m in result.measurements)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        for field, value in values.items():
            assert getattr(found[key], field) == pytest.approx(value, abs=1e-5), (key, field)
    assert result.notes["row_sum_error"] < 1e-5
    assert max(abs(m.value - (m.chance or 0)) for m in found.values()) > 0.05, (
        "attention too uniform for this to be a test"
    )


@pytest.mark.parametrize("architecture", ["gpt2", "gemma3_text", "bloom"])
def test_bos_shifts_positions_and_is_no_target(tiny_model: Callable[..., LoadedModel], architecture: str) -> None:
    loaded = tiny_model(architecture, adds_bos=True)

    found = by_key(AttentionProbe().measure(loaded, sized(SMALL, 3)).measurements)

    wanted = expected(loaded, sample_seed=3)
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key].value == pytest.approx(values["value"], abs=1e-5)
        assert found[key].chance == pytest.approx(values["chance"], abs=1e-9)
        assert found[key].parameters["bos"] is True
        assert found[key].parameters["input"] == INPUT[key[0]]


def test_several_targets_a_query_add_up(
    tiny_model: Callable[..., LoadedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SMALL, "m", 4)
    loaded = tiny_model("gpt2")

    found = by_key(AttentionProbe().measure(loaded, sized(SMALL, 3)).measurements)

    for key, values in expected(loaded, sample_seed=3).items():
        assert found[key].value == pytest.approx(values["value"], abs=1e-5)
        assert found[key].chance == pytest.approx(values["chance"], abs=1e-9)


@pytest.mark.parametrize("portable", [False, True], ids=["kernel", "blocks"])
@pytest.mark.parametrize(
    ("n", "m", "bos", "window", "chance"),
    [
        (50, 2, False, None, 0.013763),
        (50, 2, True, None, 0.013569),
        (25, 4, False, None, 0.031275),
        # Queries 50 to 99 have their target 49 back and see 51 to 59, then 60 keys: (1/51 + ... + 1/59 + 41/60) / 50.
        (50, 2, False, 60, 0.016947),
        # With BOS they are 51 to 100 and see 52 to 59, then 60 keys: (1/52 + ... + 1/59 + 42/60) / 50.
        (50, 2, True, 60, 0.016888),
        # Of the targets 24, 49 and 74 back, a window of 50 shows the first two: in the second block one of 26 to 50
        # keys, then two of 50: (1/26 + ... + 1/50 + 50 * 2/50) / 75.
        (25, 4, False, 50, 0.035777),
    ],
)
def test_uniform_attention_scores_the_published_chance(
    tiny_model: Callable[..., LoadedModel],
    n: int,
    m: int,
    bos: bool,
    window: int | None,
    chance: float,
    portable: bool,
) -> None:
    loaded = tiny_model("llama" if window is None else "mistral", bos)
    loaded.model.config.sliding_window = window
    for layer in loaded.model.model.layers:
        layer.self_attn.q_proj.weight.data.zero_()
    loaded = dataclasses.replace(loaded, ordinary_token_ids=torch.arange(1, 61).repeat(2))

    measurements = AttentionProbe(portable).measure(loaded, sized({"n": n, "m": m, "n_sequences": 2})).measurements

    found = by_key(measurements)
    for metric_id in ("prefix_matching", "prefix_matching_placebo"):
        assert found[metric_id, "", 1, 3].chance == pytest.approx(chance, abs=5e-7)
        assert found[metric_id, "", 1, 3].value == pytest.approx(chance, abs=1e-6)
    assert found["attention_entropy", "", 1, 3].value == pytest.approx(1, abs=1e-6)
    for measurement in measurements:
        assert measurement.value == pytest.approx(measurement.chance, abs=1e-6), measurement


def test_inputs_of_different_length_are_different_variants(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")

    two, three = (
        {
            m.metric_id: variant_id(m.metric_id, m.parameters)
            for m in AttentionProbe().measure(loaded, setting).measurements
        }
        for setting in (sized(SMALL), sized({**SMALL, "m": 3}))
    )

    assert two["previous_token"] == "previous_token.bos-false.input-distinct.n-6"
    assert two.keys() == three.keys()
    assert all(two[metric_id] != three[metric_id] for metric_id in two)


@pytest.mark.parametrize("size", [{"n": 3}, {"m": 1}])
def test_blocks_in_which_some_metric_has_nothing_to_read_are_refused(size: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to"):
        sized(size)


def test_layers_that_cannot_see_a_target_have_no_row(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gemma3_text")

    found = AttentionProbe().measure(loaded, sized(SMALL)).measurements

    assert {m.layer for m in found if m.metric_id == "prefix_matching" and m.stratum != SHUFFLED} == {1}
    assert {m.layer for m in found if m.metric_id == "previous_token"} == {0, 1}


def test_no_attention_is_not_applicable(tiny_model: Callable[..., LoadedModel]) -> None:
    with pytest.raises(NotApplicable, match="no attention"):
        AttentionProbe().measure(tiny_model("mamba"), sized(SMALL))


def test_nan_is_refused_with_layer_metric_and_checkpoint(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("llama")
    loaded.model.get_submodule("model.layers.1.self_attn.q_proj").weight.data[0, 0] = torch.nan

    with pytest.raises(UserError, match=r"layer 1 \(prefix_matching\)") as caught:
        AttentionProbe().measure(loaded, sized(SMALL))

    assert caught.value.where == "tiny-llama@main"
    assert caught.value.mend


def test_same_seed_same_numbers(tiny_model: Callable[..., LoadedModel]) -> None:
    loaded = tiny_model("gpt_neox")

    first, again, other = (AttentionProbe().measure(loaded, sized(SMALL, seed)).measurements for seed in (1, 1, 2))

    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("architecture", "portable", "implementation"),
    [
        ("llama", False, "kernel"),
        ("llama", True, "blocks"),
        ("mistral", False, "blocks"),
        ("gemma3_text", False, "blocks+kernel"),
        ("bloom", False, "eager"),
        ("gptj", False, "eager"),
    ],
)
def test_says_how_it_read(
    tiny_model: Callable[..., LoadedModel], architecture: str, portable: bool, implementation: str
) -> None:
    result = AttentionProbe(portable).measure(tiny_model(architecture), sized(SMALL))

    assert result.attention_implementation == implementation


def test_every_measurement_is_of_a_declared_metric(tiny_model: Callable[..., LoadedModel]) -> None:
    result = AttentionProbe().measure(tiny_model("gpt_oss"), sized(SMALL))

    assert {m.metric_id for m in result.measurements} == {metric.metric_id for metric in AttentionProbe.metrics}


def test_blocks_and_sequences_by_role() -> None:
    assert AttentionProbe().parameters(Setting("natural")) == {"n": 50, "m": 2, "n_sequences": 32}
    assert AttentionProbe().parameters(Setting("control")) == {"n": 24, "m": 2, "n_sequences": 64}


@pytest.mark.parametrize("bos", [False, True])
def test_shuffled_targets_are_real_keys_dealt_to_queries_that_do_not_want_them(bos: bool) -> None:
    shape = Shape(n=24, m=2, n_sequences=1)
    for readouts in (repeated_readouts(shape, bos), distinct_readouts(shape, bos)):
        controlled = [name for name in readouts if f"{name} {SHUFFLED}" in readouts]
        assert controlled
        for name in controlled:
            wanted = set(zip(*map(list, readouts[name]), strict=True))
            query, key = readouts[f"{name} {SHUFFLED}"]
            assert len(query) > len(wanted) / 3
            assert not wanted & set(zip(query, key, strict=True))
            assert set(key) <= {k for _, k in wanted}
            assert (key <= query).all()
