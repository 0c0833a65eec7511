"""Courses with known gaps and known correlations of their changes."""

from __future__ import annotations

import numpy as np
import pytest

from assets.likeness.developmental import MEASURE
from assets.likeness.registry import Compared, Course, Developed, PairMeasurement
from tests.assets.likeness.by_hand import INPUTS, course, one

STEPS = (0, 10, 20, 30, 40)


def compare(*runs: Course, others: tuple[Course, ...] = (), span: float = 1.0) -> list[PairMeasurement]:
    return list(MEASURE.compare(Compared("m", developed=[Developed("prefix_matching", INPUTS, span, runs, others)])))


def test_the_gap_is_the_largest_at_steps_that_both_have() -> None:
    a = course("a", (0, 10, 15, 20), (0.1, 0.2, 0.9, 0.8))
    b = course("b", (0, 10, 17, 20), (0.1, 0.5, 0.0, 0.7))

    found = one(compare(a, b), "course_likeness")

    assert found.value == pytest.approx(0.7)
    assert (found.checkpoint_a, found.checkpoint_b, found.n) == ("a@step20", "b@step20", 3)
    assert found.chance is None
    assert one(compare(a, b, span=2.0), "course_likeness").value == pytest.approx(0.85)


def test_changes_that_are_alike_up_to_level_and_scale_correlate_fully() -> None:
    rise = np.array([0.1, 0.1, 0.3, 0.9, 0.8])
    a, b, c = course("a", STEPS, rise), course("b", STEPS, 0.1 + rise / 2), course("c", STEPS, 1 - rise)

    found = compare(a, b, c)

    assert one(found, "increment_correlation", checkpoint_b="b@step40").value == pytest.approx(1)
    assert one(found, "increment_correlation", checkpoint_a="a@step40", checkpoint_b="c@step40").value == pytest.approx(
        -1
    )


def test_chance_is_the_mean_over_runs_of_other_models_with_common_steps() -> None:
    a, b = course("a", STEPS, (0, 0, 0.5, 1, 1)), course("b", STEPS, (0, 0, 0.4, 1, 1))
    others = (
        course("x", STEPS, (0, 0.6, 0.6, 1, 1), "other"),
        course("y", STEPS, (0, 0, 0, 0, 0.2), "other"),
        course("z", (1, 2, 3), (0, 0, 0), "other"),
    )

    found = one(compare(a, b, others=others), "course_likeness")

    assert found.value == pytest.approx(0.9)
    assert found.chance == pytest.approx(1 - np.mean([0.6, 1.0, 0.6, 1.0]))


def test_too_few_common_steps_and_flat_courses_are_left_out() -> None:
    far = course("far", (1, 2, 3, 40), (0, 0, 1, 1))
    short = course("short", (0, 10, 20), (0, 0, 1))
    flat, rise = course("flat", STEPS, (0.1,) * 5), course("rise", STEPS, (0, 0, 1, 1, 1))

    assert compare(far, rise) == []
    assert {m.metric_id for m in compare(short, rise)} == {"course_likeness"}
    assert {m.metric_id for m in compare(flat, rise)} == {"course_likeness"}


def test_unrelated_changes_average_at_zero() -> None:
    rng = np.random.default_rng(0)
    steps = range(30)
    runs = [course(f"r{i:02}", steps, rng.normal(size=30).cumsum()) for i in range(40)]

    values = [m.value for m in compare(*runs) if m.metric_id == "increment_correlation"]

    assert len(values) == 780
    assert abs(np.mean(values)) < 0.02  # each has a deviation of 1/sqrt(28); their mean, of under .19/sqrt(780) = .007
