"""CPU time of attention to the previous and first token on sentences, against measuring as Trott (2025) did.

The study's way: one sentence at a time through the whole language model, eager attention that returns every layer's
matrix, read off its diagonal and first column (here for a layer's heads at once, where the study's code goes through
them one by one: its own time is longer). Ours: assets/probes/text_attention.py, read_sentences. The workload is as
large as the study's 666 sentences: random tokens, lengths from a gamma distribution of shape 4.5 and mean 25, rounded,
4 at least. Weights are random, drawn wide enough that attention is far from uniform. Time is CPU seconds on one thread,
the two ways in turn, the median of the rounds' ratios after one that is not counted. Target: 8 times as fast on
Pythia-14m, the same numbers to 1e-5; with larger models the forward pass itself bounds it. Five minutes.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from assets.models.engine.attend import switched
from assets.models.engine.loaded import LoadedModel
from assets.probes.text_attention import Reader, read_sentences

N_SENTENCES = 666
VOCABULARY = 50304


@dataclass(frozen=True)
class Size:
    """A Pythia model's, and how often it is timed."""

    layers: int
    heads: int
    d_model: int
    rounds: int


SIZES = {
    "Pythia-14m": Size(layers=6, heads=4, d_model=128, rounds=5),
    "Pythia-70m": Size(layers=6, heads=8, d_model=512, rounds=2),
    "Pythia-160m": Size(layers=12, heads=12, d_model=768, rounds=1),
}


def random_pythia(name: str) -> LoadedModel:
    torch.manual_seed(0)
    size = SIZES[name]
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=size.d_model,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.d_model,
        max_position_embeddings=2048,
        initializer_range=2 * size.d_model**-0.5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    )
    return LoadedModel(f"random-{name}", "natural", AutoModelForCausalLM.from_config(config), torch.arange(VOCABULARY))


def workload() -> list[np.ndarray]:
    """Sentences of token ids: mean length 24.5, standard deviation 11."""
    generator = np.random.default_rng(0)
    lengths = generator.gamma(4.5, 25 / 4.5, N_SENTENCES).round().clip(min=4).astype(int)
    return [generator.integers(0, VOCABULARY, length) for length in lengths]


def one_at_a_time(loaded: LoadedModel, sentences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """By metric, (sentences, layers, heads): the study's way."""
    previous, first = [], []
    with torch.no_grad(), switched(loaded.model, "eager"):
        for sentence in sentences:
            output = loaded.model(torch.from_numpy(sentence)[None], output_attentions=True, output_hidden_states=True)
            matrices = [matrix[0] for matrix in output.attentions]
            previous.append(torch.stack([matrix.diagonal(-1, 1, 2).mean(-1) for matrix in matrices]))
            first.append(torch.stack([matrix[:, :, 0].mean(-1) for matrix in matrices]))
    return {"previous_token_all": torch.stack(previous).numpy(), "first_token_all": torch.stack(first).numpy()}


def together(loaded: LoadedModel, sentences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The same, our way."""
    scores = read_sentences(Reader(loaded), sentences)
    layers = sorted({layer for layer, _ in scores})
    return {
        metric_id: np.stack([scores[layer, metric_id].values for layer in layers], axis=1)
        for metric_id in ("previous_token_all", "first_token_all")
    }


def compare(name: str, sentences: list[np.ndarray]) -> tuple[list[float], list[float], float, float]:
    """CPU seconds of the study's way and of ours by round, their largest difference, and the spread of the values."""
    loaded = random_pythia(name)
    theirs, ours = one_at_a_time(loaded, sentences[:20]), together(loaded, sentences)
    seconds: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(SIZES[name].rounds):
        start = time.process_time()
        theirs = one_at_a_time(loaded, sentences)
        middle = time.process_time()
        ours = together(loaded, sentences)
        seconds["theirs"].append(middle - start)
        seconds["ours"].append(time.process_time() - middle)
    difference = max(float(np.abs(theirs[metric] - ours[metric]).max()) for metric in theirs)
    return *seconds.values(), difference, float(np.std(theirs["previous_token_all"]))


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    console, sentences = Console(), workload()
    columns = ("model", "one at a time, CPU s", "ours, CPU s", "times as fast (range)", "difference", "sd of values")
    table = Table(*columns, title=f"Previous and first token on {N_SENTENCES} sentences")
    for name in SIZES:
        console.print(f"random {name}, {sum(map(len, sentences))} tokens ...")
        theirs, ours, difference, spread = compare(name, sentences)
        ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
        table.add_row(
            f"random {name}",
            f"{statistics.median(theirs):.2f}",
            f"{statistics.median(ours):.2f}",
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})",
            f"{difference:.0e}",
            f"{spread:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
