"""Tables that simulations print. Here: layout and the error of a simulated share, no statistics of the rules."""

from __future__ import annotations

import math


class Table:
    """Rows of text, printed as a Markdown table."""

    def __init__(self, *head: str) -> None:
        self.head = head
        self.rows: list[tuple[str, ...]] = []

    def row(self, *cells: object) -> None:
        self.rows.append(tuple(str(cell) for cell in cells))

    def print(self, caption: str) -> None:
        widths = [max(len(row[i]) for row in (self.head, *self.rows)) for i in range(len(self.head))]
        print(f"{caption}.\n")
        for row in (self.head, tuple("-" * width for width in widths), *self.rows):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print(f"| {' | '.join(cells)} |")
        print(flush=True)


def share(value: float, n: int) -> str:
    """A simulated share with its own standard error: `.047 (.005)`."""
    return f"{_short(value)} ({_short(math.sqrt(value * (1 - value) / n))})"


def against(value: float, n: int, nominal: float) -> str:
    """The word for a coverage: `missed` where it is below the nominal level by more than two standard errors."""
    return "missed" if value < nominal - 2 * math.sqrt(nominal * (1 - nominal) / n) else ""


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
