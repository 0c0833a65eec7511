from __future__ import annotations

import math

import numpy as np
import pytest

from assets.claims.reading.onsets import OnsetInterval
from assets.claims.statistics.turnbull import Mass, median_cell, told, turnbull

INF = math.inf
# Cosmetic deterioration after radiotherapy, months, 46 patients (Finkelstein and Wolfe 1985).
LOW = [45, 6, 0, 46, 46, 7, 17, 7, 37, 0, 4, 15, 11, 22, 46, 46, 25, 46, 26, 46, 27, 36, 46, 36, 37, 40, 17, 46, 11, 38]
LOW += [5, 37, 0, 18, 24, 36, 5, 19, 17, 24, 32, 33, 19, 37, 34, 36]
UPPER = {1: 10, 2: 7, 5: 16, 7: 14, 8: 44, 9: 8, 10: 11, 12: 15, 16: 37, 18: 40, 20: 34, 21: 44, 23: 48, 26: 25, 28: 18}
UPPER |= {30: 12, 32: 5, 36: 11, 37: 35, 38: 25, 42: 26}
HIGH = [float(UPPER.get(i, INF)) for i in range(len(LOW))]
# The same by R 4.2.2, survival 3.5-3: survfit(Surv(low, high, type = "interval2") ~ 1). It stops early: to some 4e-4.
SURVFIT = {
    (4, 5): 0.04633801,
    (6, 7): 0.03339324,
    (7, 8): 0.08864554,
    (11, 12): 0.07074585,
    (24, 25): 0.09262773,
    (33, 34): 0.08181167,
    (38, 40): 0.1205544,
    (46, 48): 0.4655388,
}
# Ten runs on a grid of checkpoints, one never seen; the same program.
GRID_LOW = [256, 256, 512, 512, 512, 1000, 1000, 512, 2000, 256]
GRID_HIGH = [512, 1000, 1000, 1000, 1000, 2000, 2000, 2000, INF, 2000]
GRID = {(256, 512): 0.1366825260, (512, 1000): 0.4994162768, (1000, 2000): 0.2639011972, (2000, INF): 0.1}


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(LOW, HIGH, SURVFIT), (GRID_LOW, GRID_HIGH, GRID)], ids=["cosmetic", "grid"]
)
def test_the_estimate_is_that_of_survfit(
    low: list[float], high: list[float], expected: dict[tuple[float, float], float]
) -> None:
    found = {(mass.low, mass.high): mass.share for mass in turnbull(low, high)}

    assert found.keys() == expected.keys()
    assert list(found.values()) == pytest.approx(list(expected.values()), abs=4e-4)
    assert sum(found.values()) == pytest.approx(1)


def test_no_other_distribution_is_likelier() -> None:
    """Neither that of survfit nor 200 others near ours."""
    found = turnbull(LOW, HIGH)
    inside = np.array([[a <= m.low and m.high <= b for m in found] for a, b in zip(LOW, HIGH, strict=True)])

    def likelihood(share: np.ndarray) -> float:
        return float(np.log(inside @ (share / share.sum())).sum())

    ours = np.array([mass.share for mass in found])
    rng = np.random.default_rng(3)
    others = [ours * rng.lognormal(0, 0.02, ours.size) for _ in range(200)]
    assert likelihood(ours) >= max(likelihood(other) for other in [np.array([*SURVFIT.values()]), *others])


def test_exactly_known_cells_give_their_shares() -> None:
    assert turnbull([0, 0, 1], [1, 1, 2]) == (Mass(0, 1, pytest.approx(2 / 3)), Mass(1, 2, pytest.approx(1 / 3)))
    assert turnbull([-INF, 4], [3, INF]) == (Mass(-INF, 3, pytest.approx(0.5)), Mass(4, INF, pytest.approx(0.5)))


def test_the_median_is_where_half_is_passed() -> None:
    assert median_cell(turnbull(LOW, HIGH)) == Mass(38, 40, pytest.approx(0.1209, abs=1e-4))
    assert median_cell(turnbull([0, 0, 1, 1], [1, 1, 2, 2])).high == 1


def test_an_interval_without_width_is_refused() -> None:
    with pytest.raises(ValueError, match="low < high"):
        turnbull([1, 2], [2, 2])


def onset(low: int | None, high: int | None) -> OnsetInterval:
    return OnsetInterval("left" if low is None else "right" if high is None else "none", low, high, None, None)


@pytest.mark.parametrize(
    ("onsets", "words"),
    [
        ([onset(256, 512)], "steps (256, 512]"),
        ([onset(256, 512)] * 3, "steps (256, 512] in each"),
        ([onset(128, 256)] + [onset(256, 512)] * 2, "steps (256, 512] in 2 and steps (128, 256] in 1"),
        (
            [onset(128, 256), onset(256, 512), onset(256, 512), onset(512, 1000)],
            "the median in steps (256, 512] (Turnbull)",
        ),
        ([onset(128, 256), onset(512, 1000), *[onset(1000, None)] * 3], "the median in steps (1000, ...] (Turnbull)"),
        ([*[onset(None, 0)] * 4, onset(0, 1), onset(1, 2)], "the median in steps (..., 0] (Turnbull)"),
    ],
)
def test_when_the_runs_had_it_in_words(onsets: list[OnsetInterval], words: str) -> None:
    assert told(onsets) == words


def test_a_run_seen_at_the_last_checkpoint_only_may_be_later() -> None:
    last = OnsetInterval("unconfirmed", 512, 1000, None, None)

    assert told([onset(128, 256), onset(256, 512), last, last, last]) == "the median in steps (512, ...] (Turnbull)"
