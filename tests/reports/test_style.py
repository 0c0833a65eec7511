"""The style sheet: text on the verdicts' colours can be read, by day and by night, and dark overrides what it must."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STYLE = (Path(__file__).parents[2] / "reports" / "style.css").read_text(encoding="utf-8")
LIGHT, _, REST = STYLE.partition("@media (prefers-color-scheme: dark)")
DARK = REST.partition("*, ::before")[0]
READABLE = 4.5
"""Least contrast of text with its ground (WCAG 2.2, 1.4.3)."""
SEEN = 3.0
"""Least contrast of what is drawn with its ground (WCAG 2.2, 1.4.11)."""


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


PALETTES = {"light": colours(LIGHT), "dark": colours(LIGHT) | colours(DARK)}


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    dim, bright = sorted((luminance(a), luminance(b)))
    return (bright + 0.05) / (dim + 0.05)


def test_contrast_is_counted_as_the_standard_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", PALETTES)
def test_text_can_be_read(mode):
    palette = PALETTES[mode]
    pairs = [(palette[f"v-{word}"], palette["on-strong"]) for word in ("holds", "fails", "mixed")]
    pairs += [(palette["v-inconclusive"], "#23262c"), (palette["v-insufficient"], palette["on-weak"])]
    pairs += [(palette[text], palette[ground]) for text in ("ink", "muted", "accent") for ground in ("page", "card")]

    assert all(contrast(*pair) >= READABLE for pair in pairs)


@pytest.mark.parametrize("mode", PALETTES)
def test_lines_can_be_seen(mode):
    palette = PALETTES[mode]

    assert all(contrast(colour, palette["card"]) >= SEEN for name, colour in palette.items() if name.startswith("s-"))


def test_sizes_can_be_seen_and_go_from_least_to_most_contrast():
    found = re.findall(r"--size-(\d): (#[0-9a-f]{6})", STYLE)

    for mode, ramp in (("light", found[:8]), ("dark", found[8:])):
        contrasts = [contrast(colour, PALETTES[mode]["card"]) for _, colour in ramp]
        assert [place for place, _ in ramp] == list("01234567")
        assert contrasts[0] >= SEEN
        assert contrasts == sorted(contrasts)


@pytest.mark.parametrize("mode", PALETTES)
@pytest.mark.parametrize("tint", ["accent", "v-fails"])
def test_text_can_be_read_on_the_deepest_shade_of_a_correlation(mode, tint):
    palette = PALETTES[mode]
    assert f"color-mix(in srgb, var(--{tint}) 40%, var(--card))" in STYLE
    parts = [[int(palette[name][i : i + 2], 16) for i in (1, 3, 5)] for name in (tint, "card")]
    mixed = "#" + "".join(f"{round(0.4 * a + 0.6 * b):02x}" for a, b in zip(*parts, strict=True))

    assert contrast(palette["ink"], mixed) >= READABLE


def test_dark_changes_every_colour_that_light_sets():
    kept = {name for name in PALETTES["light"] if name not in colours(DARK)}

    assert not kept
