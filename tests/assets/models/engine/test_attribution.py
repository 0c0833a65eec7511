from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from assets.models.engine import attribution
from assets.models.engine.attribution import attribute
from assets.models.engine.heads import Replacement, edited, head_outputs, log_probabilities, replacing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.sites import Sites, find_sites

AT = torch.arange(3, 11)


@pytest.fixture
def token_ids() -> torch.Tensor:
    return torch.randint(1, 60, (3, 12), generator=torch.Generator().manual_seed(0))


def moved(loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, size: float) -> Replacement:
    """z, and beside it a random step of this size."""
    generator = torch.Generator().manual_seed(1)
    z = head_outputs(loaded, sites, token_ids)
    return {
        layer: found + size * torch.randn(found.shape, generator=generator, dtype=found.dtype)
        for layer, found in z.items()
    }


def exact(
    loaded: LoadedModel, sites: Sites, token_ids: torch.Tensor, replacement: Replacement, layer: int, head: int
) -> torch.Tensor:
    with torch.no_grad():
        clean = attribution.log_probabilities(loaded, token_ids, AT).mean(1)
        with edited(sites, replacing(sites, [frozenset({(layer, head)})] * len(token_ids), replacement)):
            return attribution.log_probabilities(loaded, token_ids, AT).mean(1) - clean


@pytest.mark.parametrize("architecture", ["gpt_neox", "llama", "gemma2", "gpt_oss", "bloom"])
@pytest.mark.parametrize("frozen", [False, True])
def test_attribution_is_the_effect_of_a_small_step(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, architecture: str, frozen: bool
) -> None:
    """By central differences: what is left is of third order, and float32 rounding of some 5 nats."""
    loaded = tiny_model(architecture)
    loaded.model.requires_grad_(not frozen)
    sites = find_sites(loaded)
    forward, back = (moved(loaded, sites, token_ids, size) for size in (0.003, -0.003))

    found = attribute(loaded, sites, token_ids, AT, forward)

    for layer in sites:
        for head in range(4):
            effects = [exact(loaded, sites, token_ids, each, layer, head) for each in (forward, back)]
            torch.testing.assert_close(found[layer][:, head], (effects[0] - effects[1]) / 2, atol=4e-6, rtol=0.01)
        assert found[layer].abs().max() > 2e-4


def test_attribution_is_exact_for_a_linear_outcome(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logits themselves, of a layer with a parallel MLP and no normalisation after it, are linear in z."""
    loaded = tiny_model("gpt_neox")
    loaded.model.gpt_neox.final_layer_norm = torch.nn.Identity()
    sites = {1: find_sites(loaded)[1]}

    def logits(loaded: LoadedModel, token_ids: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return loaded.model(token_ids).logits[:, at].gather(-1, token_ids[:, at + 1, None])[..., 0]

    monkeypatch.setattr(attribution, "log_probabilities", logits)
    replacement = {1: torch.zeros(1, 1, 4, 8)}

    found = attribute(loaded, sites, token_ids, AT, replacement)

    for head in range(4):
        effect = exact(loaded, sites, token_ids, replacement, 1, head)
        torch.testing.assert_close(found[1][:, head], effect, atol=1e-5, rtol=1e-5)
        assert effect.abs().max() > 0.1


def test_sequences_in_parts_give_the_same(
    tiny_model: Callable[..., LoadedModel], token_ids: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tiny_model("llama")
    sites = find_sites(loaded)
    replacement = moved(loaded, sites, token_ids, size=1.0)
    whole = attribute(loaded, sites, token_ids, AT, replacement)

    monkeypatch.setattr(attribution, "kept_at_once", lambda *needs: 2)
    parts = attribute(loaded, sites, token_ids, AT, replacement)

    for layer in sites:
        torch.testing.assert_close(parts[layer], whole[layer], atol=1e-6, rtol=1e-5)
    assert log_probabilities(loaded, token_ids, AT).requires_grad  # nothing was left switched off
