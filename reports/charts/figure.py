"""What a page needs to show a chart: its panels, what to see in it, and the query behind it.

Here: the shape. Not here: what is drawn (the sibling modules), how it stands on the page (templates/figure.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.query import Query


@dataclass(frozen=True)
class Panel:
    """One chart of a figure; `title` is empty where the figure has one panel only."""

    title: str
    spec: dict[str, Any]
    narrow: bool = False
    """Whether it should not fill a wide column."""


@dataclass(frozen=True)
class Key:
    """An entry of a figure's legend: a CSS colour, a label, and how it is drawn (line, dash, or a verdict's symbol)."""

    label: str
    colour: str = ""
    mark: str = "line"


@dataclass(frozen=True)
class Choice:
    """A menu that sets one parameter of all panels of its figure."""

    label: str
    parameter: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Slider:
    """A slider that sets one parameter of all panels of its figure to the number of a place, 0 to the last.

    Attributes:
        places: what each place is called, in order; it starts at the last.
    """

    label: str
    parameter: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Figure:
    """Panels that share a caption. Without panels it shows the caption alone: no chart is ever empty.

    Attributes:
        name: anchor on the page, unique there.
        caption: what to see in it, said from the data.
        query: the SQL that gives the numbers.
    """

    name: str
    title: str
    caption: str
    query: Query
    panels: tuple[Panel, ...] = ()
    legend: tuple[Key, ...] = ()
    choice: Choice | None = None
    slider: Slider | None = None
    heat: bool = False
    """Whether the legend is the ten-step colour scale."""
