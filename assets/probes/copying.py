"""Probe `copying`: does a head raise the logits of the tokens that it reads?

Once by its weights alone, once by what it writes on random tokens. Besides, the spectra of each head's two circuits are
kept for comparing runs. Not here: where heads look (attention.py), what happens without them (the probes of method
intervention).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from assets.probes.circuits import FOLDING, last_fold, read_layers, refuse_damaged
from assets.probes.inputs import Shape, Size, sample, size_for, with_bos_as_set
from assets.probes.registry import Measurement, Metric, NotApplicable, Parameters, Probe, Result, Setting
from assets.probes.samples import over_sequences, refuse_nan

if TYPE_CHECKING:
    import torch

    from assets.models.engine.attended import Attended
    from assets.models.engine.folding import Fold
    from assets.models.engine.loaded import LoadedModel

METRICS = (
    Metric(
        "copying_eigenvalue",
        construct="copying",
        method="weights",
        grain="head",
        unit="ratio",
        definition="Sum of the eigenvalues over the sum of their moduli of the head's full OV circuit W_E W_V W_O W_U "
        f"over the whole vocabulary; 0 for a head without weights. {FOLDING}",
        citation="Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
        lower=-1.0,
        upper=1.0,
        chance_rule="0, the expectation for random W_V and W_O.",
    ),
    Metric(
        "copying_raised_logit",
        construct="copying",
        method="weights",
        grain="head",
        unit="share",
        definition="On distinct random tokens, at each position but the first: the head's own output through W_U "
        "gives a logit to each token that the head can see; their mean is subtracted and what is below zero set to "
        "zero; the share of the sum that falls to the token attended to most, 0 where nothing is raised; mean over "
        "positions, then sequences. Never negative. The head's output is what it reads with its real attention, "
        "without the output bias. Unlike the code of Bansal et al., which reads the embeddings of the current token "
        f"in every layer and compares probabilities. {FOLDING}",
        citation="Olsson et al. 2022, arXiv:2209.11895; rectified and normalised as in the code of Bansal et al. 2023, "
        "Rethinking the Role of Scale for In-Context Learning, arXiv:2212.09095",
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule="Mean over positions of 1 / (number of tokens that the head can see): what any one of them gets if "
        "their logits are exchangeable.",
    ),
)

ROWS_AT_A_TIME = 4096
"""Of the vocabulary."""


class CopyingProbe(Probe):
    """See assets/probes/registry.py, Probe.

    Its arrays: `ov_spectrum` and `qk_spectrum` (layers, heads, d_head), singular values of each head's W_V W_O and
    W_Q W_K^T with normalisations folded, descending, unrotated (so for rotary positions at distance 0); NaN where a
    layer has none, left out where no layer has any.
    """

    name = "copying"
    redraws = True
    Options = Size
    metrics = METRICS
    cost = (
        "One forward pass of the body a sequence and one on some hundred tokens; products of vocabulary x d_model x "
        "d_model once, of d_model x d_model x d_head twice a head. One layer's weights and attention are held."
    )

    def parameters(self, setting: Setting) -> Parameters:
        return size_for(setting)

    def measure(self, model: LoadedModel, setting: Setting) -> Result:
        model, shape = with_bos_as_set(model, setting), Shape.of(self.parameters(setting))
        refuse_damaged(model)
        end = last_fold(model)
        between = _from_unembedding_to_embedding(model, end)
        measurements: list[Measurement] = []
        writing: dict[int, torch.Tensor] = {}
        spectra: dict[str, dict[int, np.ndarray]] = {"ov_spectrum": {}, "qk_spectrum": {}}
        without = []
        for layer, weights in read_layers(model):
            circuit, matching = weights.reading_and_writing(), weights.matching()
            if circuit is None:
                without.append(layer)
            else:
                measurements += _by_weights(layer, copying_eigenvalue(*circuit, between), model.checkpoint_id)
                spectra["ov_spectrum"][layer] = singular_values(*circuit)
            if matching is not None:
                spectra["qk_spectrum"][layer] = singular_values(matching[0], matching[1].mT)
            if weights.output is not None:
                writing[layer] = end.into_writer(weights.after.into_writer(weights.output))
        measurements += _by_output(model, writing, shape, setting.sample_seed)
        if not measurements:
            raise NotApplicable("Its heads' values or outputs are not linear in what they read: normalised or gated.")
        n_layers = model.model.config.get_text_config().num_hidden_layers
        return Result(
            measurements,
            notes={"layers_without_ov_circuit": without} if without else {},
            arrays={name: _as_array(by_layer, n_layers) for name, by_layer in spectra.items() if by_layer},
        )


def copying_eigenvalue(reading: torch.Tensor, writing: torch.Tensor, between: torch.Tensor) -> np.ndarray:
    """Sum of eigenvalues over sum of moduli of W_E W_V W_O W_U, by head; 0 where all are 0.

    The product over the vocabulary has rank d_head at most; its eigenvalues other than 0 are those of the cyclically
    permuted W_O (W_U W_E) W_V, which is d_head by d_head.

    Args:
        reading: W_V (heads, d_model, d_head).
        writing: W_O (heads, d_head, d_model).
        between: W_U W_E, (d_model, d_model).

    Raises:
        numpy.linalg.LinAlgError: some product is NaN or infinite; PyTorch's eigenvalues would end the process.
    """
    eigenvalues = np.linalg.eigvals((writing.double() @ between.double() @ reading.double()).numpy())
    moduli = np.abs(eigenvalues).sum(-1)
    return eigenvalues.sum(-1).real / np.where(moduli > 0, moduli, 1)


def raised_share(logits: torch.Tensor, most: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """By sequence and head, mean over all queries but the first of the share of what is raised at `most`.

    Args:
        logits: (sequences, heads, queries, keys), of the token at each key.
        most: (sequences, queries, heads), the key attended to most.
        visible: bool (queries, keys).
    """
    logits, most, visible = logits[:, :, 1:], most[:, 1:].transpose(1, 2).unsqueeze(-1), visible[1:]
    mean = (logits * visible).sum(-1, keepdim=True) / visible.sum(-1, keepdim=True)
    raised = ((logits - mean) * visible).relu()
    total = raised.sum(-1)
    return (raised.gather(-1, most).squeeze(-1) / total.where(total > 0, 1)).mean(-1)


def singular_values(left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    """Of products (heads, d_model, d) times (heads, d, d_model): (heads, d), descending.

    Those of A B are those of R_A R_B^T, d by d, where A = Q_A R_A and B^T = Q_B R_B.
    """
    import torch

    upper = [torch.linalg.qr(side.double(), mode="r").R for side in (left, right.mT)]
    return torch.linalg.svdvals(upper[0] @ upper[1].mT).numpy()


def _by_weights(layer: int, values: np.ndarray, checkpoint_id: str) -> Iterator[Measurement]:
    refuse_nan(values, f"weights in layer {layer}", checkpoint_id)
    for head, value in enumerate(values.tolist()):
        yield Measurement("copying_eigenvalue", {}, value, layer=layer, head=head, chance=0.0)


def _by_output(
    model: LoadedModel, writing: dict[int, torch.Tensor], shape: Shape, sample_seed: int
) -> Iterator[Measurement]:
    """Nothing where the input does not fit the model, or its attention can't be read.

    Args:
        writing: by layer, from the heads' outputs to what the unembedding reads, (heads, d_value, d_model).
    """
    from assets.models.engine.attended import read_attended
    from assets.models.engine.calls import UnknownStructureError

    try:
        tokens = sample(model, "distinct", shape, sample_seed)
    except NotApplicable:
        return
    unembedding = _table(model.model.get_output_embeddings())
    chances: dict[int, float] = {}

    def reduce(layer: int, token_ids: torch.Tensor, attended: Attended) -> np.ndarray:
        visible = attended.visible.to(attended.output.device)
        chances[layer] = (1 / visible[1:].sum(-1)).mean().item()
        if layer not in writing:
            return np.empty((len(token_ids), 0))
        rows = unembedding[token_ids.to(unembedding.device)].float()
        to_tokens = writing[layer].to(rows.device) @ rows.mT.unsqueeze(1)
        logits = attended.output.float().transpose(1, 2) @ to_tokens
        return raised_share(logits, attended.most, visible).cpu().numpy()

    variant: Parameters = {"input": "distinct", "n": shape.n, "m": shape.m, "bos": model.adds_bos}
    try:
        shares = read_attended(model, tokens, reduce)
    except UnknownStructureError:
        return
    for layer, values in shares.items():
        refuse_nan(values, f"outputs of heads in layer {layer}", model.checkpoint_id)
        for head, summary in enumerate(over_sequences(values)):
            yield Measurement("copying_raised_logit", variant, layer=layer, head=head, chance=chances[layer], **summary)


def _from_unembedding_to_embedding(model: LoadedModel, end: Fold) -> torch.Tensor:
    """W_U W_E, float64 (d_model, d_model) on the CPU: from what heads write to what they read, over the vocabulary."""
    import torch

    embedding, unembedding = _table(model.model.get_input_embeddings()), _table(model.model.get_output_embeddings())
    n = min(len(embedding), len(unembedding))
    product = torch.zeros(len(end.gain), len(end.gain), dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, n, ROWS_AT_A_TIME):
            rows = slice(start, min(n, start + ROWS_AT_A_TIME))
            product += (unembedding[rows].float().T @ embedding[rows].float()).cpu()
    return end.into_reader(product)


def _table(module: torch.nn.Module) -> torch.Tensor:
    return module.get_parameter("weight").detach()


def _as_array(by_layer: dict[int, np.ndarray], n_layers: int) -> np.ndarray:
    """(layers, heads, d), float32, NaN where a layer has nothing there."""
    width = [max(values.shape[axis] for values in by_layer.values()) for axis in (0, 1)]
    array = np.full((n_layers, *width), np.nan, dtype=np.float32)
    for layer, values in by_layer.items():
        array[layer, : values.shape[0], : values.shape[1]] = values
    return array


PROBE = CopyingProbe()
