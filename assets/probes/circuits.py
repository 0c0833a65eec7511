"""What the probes of method `weights` share: reading a model's heads, or saying why they can't be told.

Not here: the reading itself (models/engine/head_weights.py), what is made of the weights (copying.py,
k_composition.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.probes.registry import NotApplicable
from assets.probes.samples import refuse_nan

if TYPE_CHECKING:
    from assets.models.engine.folding import Fold
    from assets.models.engine.head_weights import LayerWeights
    from assets.models.engine.loaded import LoadedModel

FOLDING = (
    "Folded: the learned gain of the normalisation in front of the attention, of one behind it and of the last one, "
    "and the removal of the mean where they remove it. Left out: biases, positions, factors that normalisations apply "
    "to a whole vector, soft caps of the logits."
)


def refuse_damaged(model: LoadedModel) -> None:
    """Lets only models pass whose weights are numbers: NaN would look like an architecture that can't be read.

    Raises:
        UserError: some weight is NaN or infinite.
    """
    import torch

    for name, parameter in model.model.named_parameters():
        total = parameter.detach().sum(dtype=torch.float64)  # NaN and infinity stay
        refuse_nan(total.cpu().numpy(), f"numbers: weight {name}", model.checkpoint_id)


def read_layers(model: LoadedModel) -> Iterator[tuple[int, LayerWeights]]:
    """Number and heads' weights of each layer that attends, one after the other.

    Raises:
        NotApplicable: the architecture does not let them be told.
    """
    from assets.models.engine.calls import UnknownStructureError
    from assets.models.engine.head_weights import HeadReader

    try:
        reader = HeadReader(model)
        for layer in reader.layers:
            yield layer, reader.read(layer)
    except UnknownStructureError as error:
        raise NotApplicable(f"Its heads' weights can't be told: {error}.") from None


def last_fold(model: LoadedModel) -> Fold:
    """Of what stands between the last block and the unembedding.

    Raises:
        NotApplicable: the architecture does not let it be told.
    """
    from assets.models.engine.calls import UnknownStructureError
    from assets.models.engine.folding import fold_at_the_end

    try:
        return fold_at_the_end(model)
    except UnknownStructureError as error:
        raise NotApplicable(f"Its unembedding can't be told: {error}.") from None
