"""What each probe of the demo costs on SmolLM2, over a bare forward pass of as many tokens.

The bare pass runs the model's body by transformers' SDPA attention on 8 sequences of 128 random tokens: CPU seconds for
1,000 tokens, measured before and after every probe. Tokens are counted as they enter the model; a probe that replays
layers or computes logits pays more for each than a bare pass, one that reads weights has hardly any. One thread, one
round. Five minutes on an idle core.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from assets.models.engine.loaded import LoadedModel
from assets.models.loading import load
from assets.models.runs import training_runs
from assets.models.sources import source_named
from assets.probes.battery import Task, battery_of
from assets.probes.registry import NotApplicable, Probe, Setting, probe_named
from assets.study import Study, load_study
from catalog.errors import UserError
from catalog.home import Home

BARE = (8, 128)


def smollm2() -> LoadedModel:
    """With its tokenizer.

    Raises:
        UserError: the package that carries it is not installed.
    """
    run = training_runs(Study(name="bench", families=["smollm2"], probes=[]))[0]
    source, home = source_named(run.kind, ""), Home.from_environment()
    pinned = next(source.pin(run, source.plan(run, home), home, print))
    return load(pinned.folder, checkpoint_id=f"{run.run_id}@main", role=run.role)


def cpu_seconds(way: Callable[[], object]) -> float:
    start = time.process_time()
    way()
    return time.process_time() - start


def bare_pass(loaded: LoadedModel) -> float:
    """CPU seconds for 1,000 tokens."""
    tokens = loaded.ordinary_token_ids[: BARE[0] * BARE[1]].view(BARE)
    with torch.inference_mode():
        seconds = cpu_seconds(lambda: loaded.model.base_model(tokens, use_cache=False))
    return 1000 * seconds / tokens.numel()


def measured(probe: Probe, loaded: LoadedModel, setting: Setting) -> tuple[float, int]:
    """CPU seconds, and tokens that entered the model.

    Raises:
        NotApplicable: the probe is undefined for this model.
    """
    entered = 0

    def count(_: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        nonlocal entered
        entered += given[0].numel()

    handle = loaded.model.get_input_embeddings().register_forward_pre_hook(count)
    try:
        return cpu_seconds(lambda: probe.measure(loaded, setting)), entered
    finally:
        handle.remove()


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    console = Console()
    try:
        loaded = smollm2()
    except UserError as error:
        console.print(f"SmolLM2 left out. {error}")
        return
    battery = battery_of(load_study("demo"), Home.from_environment())
    table = Table(
        "probe", "CPU s", "tokens", "CPU s / 1,000 tokens", "over a bare pass", title="Battery on SmolLM2-135M"
    )
    bare_pass(loaded)
    for name in battery.choices:
        console.print(f"{name} ...")
        before = bare_pass(loaded)
        try:
            seconds, tokens = measured(probe_named(name), loaded, battery.setting(Task(name), loaded.role))
        except NotApplicable as why:
            table.add_row(name, "not applicable", "", "", str(why))
            continue
        bare, each = (before + bare_pass(loaded)) / 2, 1000 * seconds / tokens
        table.add_row(name, f"{seconds:.1f}", f"{tokens:,}", f"{each:.2f}", f"{each / bare:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
