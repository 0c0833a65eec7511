"""CPU time of ablating every head of a model by itself, exactly, against one whole forward pass a head.

The naive way is what a hook does: transformers' SDPA attention, the head's slice of the projection's input zeroed, all
logits computed, the loss read off on the repeated half. Ours is what the ablation probe's sweep runs (replay.py), its
preparations and checks included. A random Pythia-160m (12 layers of 12 heads), one sequence of 50 random tokens
repeated; one thread, both ways in turn, three rounds. Target: at most half the time and the same numbers to 1e-4: of a
loss relative to itself, of a head's mean loss relative to the spread between heads. Five minutes on an idle core.
"""

from __future__ import annotations

import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from assets.models.engine.heads import nothing
from assets.models.engine.loaded import LoadedModel
from assets.models.engine.replay import Replay
from assets.models.engine.sites import find_sites
from assets.probes.inputs import Shape, sample
from tests.bench.attention import load_model

ROUNDS = 3
N = 50
MODEL = "random Pythia-160m"


def naive(loaded: LoadedModel, token_ids: torch.Tensor) -> torch.Tensor:
    """Losses (heads, N - 1) on the repeated half, nats, by one whole forward pass a head."""
    found = []
    for layer in loaded.model.gpt_neox.layers:
        for columns in torch.arange(loaded.model.config.hidden_size).chunk(loaded.model.config.num_attention_heads):

            def zero(_: torch.nn.Module, given: tuple[torch.Tensor], columns: torch.Tensor = columns) -> torch.Tensor:
                return given[0].index_fill(-1, columns, 0.0)

            handle = layer.attention.dense.register_forward_pre_hook(zero)
            with torch.inference_mode():
                logits = loaded.model(token_ids, use_cache=False).logits[0, N:-1]
            handle.remove()
            found.append(torch.nn.functional.cross_entropy(logits, token_ids[0, N + 1 :], reduction="none"))
    return torch.stack(found)


def replayed(loaded: LoadedModel, token_ids: torch.Tensor) -> torch.Tensor:
    """The same by the engine."""
    sites = find_sites(loaded)
    replay = Replay(loaded, sites)
    kept = replay.keep(token_ids, torch.arange(N, 2 * N - 1))
    heads = [frozenset({(layer, head)}) for layer, site in sites.items() for head in range(site.n_heads)]
    return -replay.replaced(kept, heads, nothing(loaded, sites))


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    console = Console()
    loaded = load_model(MODEL)
    token_ids = sample(loaded, "repeated", Shape(N, 2, 1), sample_seed=0)
    ways = {"whole passes": naive, "sweep": replayed}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    losses: dict[str, torch.Tensor] = {}
    for number in range(ROUNDS):
        console.print(f"{MODEL}, every head ablated, round {number + 1} of {ROUNDS} ...")
        for name, way in ways.items():
            start = time.process_time()
            losses[name] = way(loaded, token_ids)
            seconds[name].append(time.process_time() - start)

    expected = losses["whole passes"]
    spread = expected.mean(1).max() - expected.mean(1).min()
    table = Table("way", "CPU s", "ratio (range)", "loss differs", "head differs", title="Every head ablated")
    for name in ways:
        ratios = [mine / whole for mine, whole in zip(seconds[name], seconds["whole passes"], strict=True)]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        of_losses = ((losses[name] - expected).abs() / expected).max().item()
        of_heads = ((losses[name] - expected).mean(1).abs() / spread).max().item()
        row = (name, f"{statistics.median(seconds[name]):.1f}", ratio, f"{of_losses:.0e}", f"{of_heads:.0e}")
        table.add_row(*row)
    console.print(table)


if __name__ == "__main__":
    main()
