"""What the causal probes share: heads chosen on one half of the sequences, so that they are measured on the other.

Not here: what is done to the heads (ablation.py, path_effect.py, patching.py), how (assets/models/engine).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from assets.probes.attention import distinct_readouts, repeated_readouts
from assets.probes.inputs import Kind, Shape, sample
from assets.probes.registry import NotApplicable

if TYPE_CHECKING:
    import torch

    from assets.models.engine.loaded import LoadedModel
    from assets.models.engine.sites import Sites

Head = tuple[int, int]
"""(layer, head)"""

T = TypeVar("T")


def once(values: tuple[T, ...]) -> tuple[T, ...]:
    """Each value once, in order: what a study states twice is measured once."""
    return tuple(dict.fromkeys(values))


def sites_of(model: LoadedModel) -> Sites:
    """Where the heads of the model write.

    Raises:
        NotApplicable: what they write can't be told apart.
    """
    from assets.models.engine.calls import UnknownStructureError
    from assets.models.engine.sites import find_sites

    try:
        return find_sites(model)
    except UnknownStructureError as error:
        raise NotApplicable(f"What its heads write can't be told apart: {error}.") from None


def halves(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The even-numbered sequences, on which heads are chosen, and the odd-numbered ones, on which they are measured."""
    return tokens[::2], tokens[1::2]


def head_scores(model: LoadedModel, shape: Shape, sample_seed: int) -> dict[str, dict[Head, float]]:
    """By metric and head on the sequences that heads are chosen on: `induction` is prefix_matching minus its placebo.

    Raises:
        NotApplicable: the model's attention can't be read.
    """
    repeated = _read(model, "repeated", shape, sample_seed, "prefix_matching")
    distinct = _read(model, "distinct", shape, sample_seed, "prefix_matching_placebo", "previous_token")
    placebo = distinct["prefix_matching_placebo"]
    induction = {head: score - placebo[head] for head, score in repeated["prefix_matching"].items()}
    return {"induction": induction, "previous_token": distinct["previous_token"]}


def ranked(scores: Mapping[Head, float]) -> list[Head]:
    """Heads by falling score, the lower of two equal ones first."""
    return sorted(scores, key=lambda head: (-scores[head], head))


def _read(
    model: LoadedModel, kind: Kind, shape: Shape, sample_seed: int, *metric_ids: str
) -> dict[str, dict[Head, float]]:
    from assets.models.engine.read import NoAttentionError, read_attention

    readouts = {"repeated": repeated_readouts, "distinct": distinct_readouts}[kind](shape, model.adds_bos)
    tokens, _ = halves(sample(model, kind, shape, sample_seed))
    try:
        reading = read_attention(model, tokens, {metric_id: readouts[metric_id] for metric_id in metric_ids})
    except NoAttentionError as error:
        raise NotApplicable(str(error)) from None
    found: dict[str, dict[Head, float]] = {metric_id: {} for metric_id in metric_ids}
    for (layer, metric_id), score in reading.scores.items():
        for head, value in enumerate(score.values.mean(0).tolist()):
            found[metric_id][layer, head] = value
    return found
