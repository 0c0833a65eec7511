"""What a Ray job asks for, by the size of the model that it measures, and what a cluster has to give.

Here: numbers. Not here: submitting (cluster.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GIB = 2**30
BYTES_PER_PARAMETER = 4
"""Models are measured in float32."""
UNKNOWN_SIZE = 1_000_000_000
"""Parameters taken for a model whose family states none and that was not seen yet."""
CPUS = ((100_000_000, 1), (1_000_000_000, 2), (10_000_000_000, 4))
"""CPUs for models of up to so many parameters; 8 for larger ones. Small models gain little from more threads."""


@dataclass(frozen=True)
class Request:
    """CPUs, bytes of main memory, and GPUs: of a job, or left on a node."""

    cpus: float
    memory: int
    gpus: float

    def fits(self, node: Request) -> bool:
        return self.cpus <= node.cpus and self.memory <= node.memory and self.gpus <= node.gpus

    def minus(self, other: Request) -> Request:
        return Request(self.cpus - other.cpus, self.memory - other.memory, self.gpus - other.gpus)

    def configuration(self) -> dict[str, float | int]:
        """As dagster-ray reads it from the tag `dagster-ray/config`; what is not asked for is left out."""
        asked = {"num_cpus": self.cpus, "memory": self.memory, "num_gpus": self.gpus}
        return {name: number for name, number in asked.items() if number}


def request_for(n_params: int | None, nodes: Sequence[Request]) -> Request:
    """What measuring a model asks for.

    Weights and as much again while they are read, and 1 GiB for activations and libraries. A GPU for itself from a
    billion parameters on, a quarter of one below, if any node has one. No more than the largest node has of each, since
    Ray lets a job that fits nowhere wait without a word.
    """
    size = n_params or UNKNOWN_SIZE
    cpus = next((cpus for most, cpus in CPUS if size <= most), 8)
    memory = GIB + 2 * BYTES_PER_PARAMETER * size
    gpus = 1.0 if size >= 1_000_000_000 else 0.25
    return Request(
        min(cpus, max((node.cpus for node in nodes), default=cpus)),
        min(memory, max((node.memory for node in nodes), default=memory)),
        min(gpus, max((node.gpus for node in nodes), default=0)),
    )


def place(request: Request, free: Mapping[str, Request]) -> str | None:
    """The first node on which a job fits, None where it must wait."""
    return next((name for name, node in free.items() if request.fits(node)), None)
