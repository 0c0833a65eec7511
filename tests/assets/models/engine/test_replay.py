from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assets.models.engine.heads import HeadSet, Replacement, edited, log_probabilities, replacing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.replay import Replay
from assets.models.engine.sites import Sites, find_sites

AT = torch.arange(3, 11)
SHARING = [
    "gpt2",
    "gpt_neox",
    "opt",
    "llama",
    "mistral",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "gpt_oss",
    "gptj",
    "gpt_neo",
]


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (1, 12), generator=torch.Generator().manual_seed(0))


def sets_of(sites: Sites) -> list[HeadSet]:
    """Each head alone, then several together, then none."""
    each = [frozenset({(layer, head)}) for layer, site in sites.items() for head in range(site.n_heads)]
    return [*each, frozenset({(0, 1), (0, 2), (1, 3)}), frozenset({(1, 3), (1, 0)}), frozenset()]


def some_replacement(sites: Sites, n_tokens: int) -> Replacement:
    generator = torch.Generator().manual_seed(1)
    return {
        layer: torch.randn(1, n_tokens, site.n_heads, site.d_value, generator=generator)
        for layer, site in sites.items()
    }


def one_by_one(
    loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, sets: list[HeadSet], replacement: Replacement
) -> torch.Tensor:
    found = []
    for heads in sets:
        with torch.no_grad(), edited(sites, replacing(sites, [heads], replacement)):
            found.append(log_probabilities(loaded, token_ids, AT)[0])
    return torch.stack(found)


@pytest.mark.parametrize("batch_tokens", [4096, 36])
@pytest.mark.parametrize("architecture", [*SHARING, "bloom"])
def test_a_replay_is_a_loop_of_forward_passes(
    tiny_model: Callable[..., LoadedModel],
    token_ids: torch.Tensor,
    architecture: str,
    batch_tokens: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("assets.models.engine.replay.TOKENS_PER_BATCH", batch_tokens)
    loaded = tiny_model(architecture)
    sites = find_sites(loaded)
    sets, replacement = sets_of(sites), some_replacement(sites, 12)

    replay = Replay(loaded, sites)
    kept = replay.keep(token_ids, AT)
    replaced = replay.replaced(kept, sets, replacement)

    assert replay.shares == (architecture in SHARING)
    expected = one_by_one(loaded, sites, token_ids, sets, replacement)
    torch.testing.assert_close(replaced, expected, atol=2e-5, rtol=1e-5)  # of some 5 nats: float32 rounding
    torch.testing.assert_close(replaced[-1], kept.log_probability, atol=2e-5, rtol=1e-5)
    assert (expected[:-1] - kept.log_probability).abs().amax(1).min() > 0.01


def test_layers_below_do_not_run_again(tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor) -> None:
    loaded = tiny_model("llama")
    sites = find_sites(loaded)
    replay = Replay(loaded, sites)
    kept = replay.keep(token_ids, AT)
    sizes: dict[str, list[int]] = {}
    for name in ("layers.0.mlp", "layers.1.self_attn.v_proj", "layers.1.self_attn.o_proj", "layers.1.mlp"):
        module = loaded.model.model.get_submodule(name)
        module.register_forward_hook(lambda *call, name=name: sizes.setdefault(name, []).append(len(call[2])))

    replay.replaced(kept, [frozenset({(1, head)}) for head in range(4)], some_replacement(sites, 12))

    assert sizes == {"layers.1.self_attn.v_proj": [1], "layers.1.self_attn.o_proj": [4], "layers.1.mlp": [4]}


def test_state_beside_the_outputs_of_layers_is_noticed(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    """Layer 1 here adds what the MLP of layer 0 made: a replay that takes layer 0 from before would miss it."""
    loaded = tiny_model("llama")
    state: list[torch.Tensor] = []
    low, high = loaded.model.model.layers
    low.mlp.register_forward_hook(lambda *call: state.append(call[2]))
    high.mlp.register_forward_hook(lambda *call: call[2] + (state.pop() if state else 0))
    sites = find_sites(loaded)
    state.clear()

    replay = Replay(loaded, sites)

    assert not replay.shares
    replacement = some_replacement(sites, 12)
    replaced = replay.replaced(replay.keep(token_ids, AT), sets_of(sites), replacement)
    expected = one_by_one(loaded, sites, token_ids, sets_of(sites), replacement)
    torch.testing.assert_close(replaced, expected, atol=2e-5, rtol=1e-5)


def test_what_was_put_in_place_of_layers_is_gone(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor
) -> None:
    loaded = tiny_model("llama")
    before = log_probabilities(loaded, token_ids, AT)
    sites = find_sites(loaded)
    replay = Replay(loaded, sites)
    kept = replay.keep(token_ids, AT)

    with pytest.raises(KeyError):
        replay.replaced(kept, [frozenset({(1, 0)})], {0: torch.zeros(1)})

    assert torch.equal(log_probabilities(loaded, token_ids, AT), before)
    assert not any("forward" in vars(module) for module in loaded.model.modules())
