"""How alike the training runs of two models are: each pair measure's statistic, as far as it is defined across models.

Every function gives a matrix, training runs of a by those of b, with the value that chance would give. Numbers of
heads may differ, layers are compared by relative depth, and head numbers mean nothing across models. What can't be
compared is said, not guessed. Not here: the formulas (one module a measure), which models are compared
(assets/analyses).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from assets.likeness.configurational import Spectra, expected_likeness, likeness, spectra_of_tops
from assets.likeness.developmental import STATISTICS, Statistic, at_common_steps
from assets.likeness.functional import profile_likeness
from assets.likeness.positional import expected_depth_likeness, top_depths
from assets.likeness.registry import Arrays, Axis, Course, Floats, Linked, Scored, pair_metric
from assets.likeness.relational import effect_likeness, expected_offset_likeness, offsets
from assets.likeness.tops import of_inputs

SHARES = np.arange(1, 10) / 10
"""Of a training run's tokens: the grid on which runs of different suites are compared."""
WIDEST = 0.2
"""The largest share of training between two checkpoints across which a course is drawn as a straight line."""
ROUNDING = 1e-9
MOVED = 0.1
"""Share of the metric's range by which a course must move to count as development."""
METRICS = tuple(
    pair_metric(
        f"relative_{metric_id}",
        "developmental",
        f"As {metric_id}, for models of different suites: at 10, 20 ... 90 % of the tokens that each training run saw, "
        f"linear between checkpoints at most {WIDEST:.0%} of its training apart.",
        "Runs of other families: the mean of the same statistic between either of the two and every third.",
        lower=lower,
    )
    for metric_id, lower in (("course_likeness", 0.0), ("increment_correlation", -1.0))
)


Known = TypeVar("Known")


class NotComparable(Exception):
    """Why a statistic is not defined for two models, in words."""


@dataclass(frozen=True)
class Trained:
    """What was measured of a model's training runs; scores and courses by the variant of their metric.

    Attributes:
        scored: prefix_matching less its placebo where that was measured (tops.py).
        arrays: the spectra of the heads' weights.
        known: what was worked out of the training runs already, by what it is: a model is compared with many.
    """

    model_id: str
    scored: Mapping[str, Scored]
    courses: Mapping[str, Sequence[Course]]
    linked: Mapping[str, Linked]
    arrays: Arrays | None = None
    known: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, work_out: Callable[..., Known], *key: str) -> Known:
        """The result of `work_out(self, *key)`, worked out once."""
        place = (work_out.__name__, *key)
        if place not in self.known:
            self.known[place] = work_out(self, *key)
        return cast("Known", self.known[place])


@dataclass(frozen=True)
class Alike:
    """How alike the training runs of two models are.

    Attributes:
        values: (runs of a, runs of b), NaN for a pair for which the statistic is undefined.
        chance: None where there is no chance level, or it comes from third models.
        limit: what the values do not show, in words.
    """

    values: Floats
    chance: float | None = None
    limit: str | None = None


Between = Callable[[Trained, Trained, str], Alike]
"""A statistic of two models on one variant of a metric of heads; raises NotComparable."""


def profiles(a: Trained, b: Trained, variant: str) -> Alike:
    """Chance: the same with either model untrained."""
    of_a, of_b = _scored(a, b, variant)
    if of_a.span is None:
        raise NotComparable(f"{of_a.metric_id} has no bounds")
    span = of_a.span
    final_a, final_b = ([run.final for run in of.runs] for of in (of_a, of_b))
    first_a, first_b = ([run.first for run in of.runs if run.first is not None] for of in (of_a, of_b))
    untrained = [
        profile_likeness(*each, span).ravel()
        for each in ((final_a, first_b), (first_a, final_b))
        if all(map(len, each))
    ]
    return Alike(
        profile_likeness(final_a, final_b, span), float(np.concatenate(untrained).mean()) if untrained else None
    )


def courses(statistic: Statistic, a: Trained, b: Trained, variant: str) -> Alike:
    """At common steps: of models of one suite."""
    of_a, of_b = _courses(a, b, variant)
    span = _span(a, b, variant)
    found = _defined(at_common_steps(of_a, of_b, statistic, span), "too few checkpoints at common steps")
    return replace(found, limit=_unmoved([*of_a, *of_b], span))


def relative_courses(statistic: Statistic, a: Trained, b: Trained, variant: str) -> Alike:
    """At common shares of training: of models of any suites."""
    of_a, of_b = _courses(a, b, variant)
    span = _span(a, b, variant)
    shares_a, shares_b = (of.once(_shares, variant) for of in (a, b))
    words = f"checkpoints with known tokens lie more than {WIDEST:.0%} of training apart"
    return replace(_defined(statistic(shares_a, shares_b, span), words), limit=_unmoved([*of_a, *of_b], span))


def _unmoved(courses: Sequence[Course], span: float) -> str | None:
    """A word on courses that are alike because nothing happens in them."""
    still = all(course.best.max() - course.best.min() <= MOVED * span for course in courses)
    return f"no head's score moves by more than {MOVED} of its range: alike in not developing" if still else None


def _shares(of: Trained, variant: str) -> Floats:
    return np.array([at_shares(course) for course in of.courses[variant]])


def at_shares(course: Course) -> Floats:
    """(SHARES,) the best head's score by share of the tokens seen; all NaN where checkpoints are too far apart."""
    unknown = np.full(SHARES.size, np.nan)
    if course.tokens is None or course.tokens[-1] == 0:
        return unknown
    share = course.tokens / course.tokens[-1]
    if share[0] > SHARES[0]:
        return unknown
    from_there = share[share.searchsorted(SHARES[0], "right") - 1 :]
    return np.interp(SHARES, share, course.best) if np.diff(from_there).max() <= WIDEST + ROUNDING else unknown


def depths(a: Trained, b: Trained, variant: str) -> Alike:
    """Chance: layers drawn uniformly."""
    of_a, of_b = _scored(a, b, variant)
    layers_a, layers_b = (np.unique(of.runs[0].layer) for of in (of_a, of_b))
    if min(layers_a.size, layers_b.size) == 1:
        raise NotComparable("in a single layer there is no depth")
    values = 1 - np.abs(np.subtract.outer(*(of.once(_top_depths, variant) for of in (a, b))))
    found = _defined(values, "heads of several layers share the highest score")
    return replace(found, chance=expected_depth_likeness(layers_a, layers_b))


def _top_depths(of: Trained, variant: str) -> Floats:
    return top_depths(of.scored[variant].runs)


def same_layers(a: Trained, b: Trained, variant: str) -> Alike:
    """1 where the top heads are in the same layer, of models with equally many. Chance: layers drawn uniformly."""
    of_a, of_b = _scored(a, b, variant)
    layers, others = (np.unique(of.runs[0].layer) for of in (of_a, of_b))
    if not np.array_equal(layers, others):
        raise NotComparable(f"they have heads in {layers.size} and {others.size} layers")
    depth = depths(a, b, variant).values
    return Alike(np.where(np.isnan(depth), np.nan, (depth == 1).astype(float)), 1 / layers.size)


def induction_offsets(a: Trained, b: Trained, variant: str) -> Alike:
    """Of a variant of prefix_matching, beside previous_token on such inputs. Chance: four layers drawn uniformly."""
    _scored(a, b, variant)
    of_a, of_b = (each.once(_offsets, variant) for each in (a, b))
    values = 1 - np.abs(np.subtract.outer(of_a, of_b)) / 2
    layers = [np.unique(each.scored[variant].runs[0].layer) for each in (a, b)]
    return Alike(values, expected_offset_likeness(layers[0], layers[1]))


def path_effects(a: Trained, b: Trained, variant: str) -> Alike:
    """Of a variant of path_effect. Chance: random senders of the same layers."""
    if not (variant in a.linked and variant in b.linked):
        raise NotComparable("path_effect was not measured on common inputs")
    values, chance = effect_likeness(a.linked[variant].runs, b.linked[variant].runs)
    return Alike(values, float(np.nanmean(chance)) if np.isfinite(chance).any() else None)


def spectra(name: str, a: Trained, b: Trained, variant: str) -> Alike:
    """Chance: other heads of the layers of the top heads."""
    _scored(a, b, variant)
    of_a, of_b = (of.once(_spectra, name, variant) for of in (a, b))
    d_a, d_b = (of.top.shape[-1] for of in (of_a, of_b))
    if d_a != d_b:
        raise NotComparable(f"heads of {d_a} and {d_b} dimensions have spectra of different lengths")
    values = likeness(of_a.top[:, None], of_b.top[None, :])
    return Alike(values, expected_likeness(of_a.others, of_b.others))


def _spectra(of: Trained, name: str, variant: str) -> Spectra:
    """Those of all training runs: (runs, d_head) and (runs x other heads, d_head)."""
    if of.arrays is None:
        raise NotComparable("the spectra of the weights were not measured")
    found = list(spectra_of_tops(name, of.arrays, of.scored[variant]).values())
    if not found:
        raise NotComparable("no single top head, or its weights have no such spectrum")
    return Spectra(np.array([run.top for run in found]), np.concatenate([run.others for run in found]))


def _scored(a: Trained, b: Trained, variant: str) -> tuple[Scored, Scored]:
    of_a, of_b = a.scored.get(variant), b.scored.get(variant)
    if not (of_a and of_b and of_a.runs and of_b.runs):
        raise NotComparable("not measured on common inputs")
    if of_a.less_placebo != of_b.less_placebo:
        raise NotComparable("the placebo was measured in one of them only")
    return of_a, of_b


def _courses(a: Trained, b: Trained, variant: str) -> tuple[Sequence[Course], Sequence[Course]]:
    of_a, of_b = a.courses.get(variant), b.courses.get(variant)
    if not (of_a and of_b):
        raise NotComparable("not measured over training")
    return of_a, of_b


def _span(a: Trained, b: Trained, variant: str) -> float:
    span = _scored(a, b, variant)[0].span
    if span is None:
        raise NotComparable("the metric has no bounds")
    return span


def _offsets(of: Trained, variant: str) -> Floats:
    induction = of.scored[variant]
    previous = of_inputs(list(of.scored.values()), "previous_token", induction.parameters)
    if previous is None:
        raise NotComparable("previous_token was not measured on such inputs")
    found = offsets(induction, previous)
    if not found:
        raise NotComparable("in a single layer there is no offset")
    return np.array(list(found.values()))


def _defined(values: Floats, otherwise: str) -> Alike:
    if np.isnan(values).all():
        raise NotComparable(otherwise)
    return Alike(values)


_COURSES: dict[str, Between] = {name: partial(courses, statistic) for name, statistic in STATISTICS.items()}
_RELATIVE: dict[str, Between] = {
    f"relative_{name}": partial(relative_courses, statistic) for name, statistic in STATISTICS.items()
}
_OTHERS: dict[Axis, dict[str, Between]] = {
    "functional": {"profile_likeness": profiles},
    "positional": {"top_depth_likeness": depths, "same_top_layer": same_layers},
    "relational": {"offset_likeness": induction_offsets, "path_effect_likeness": path_effects},
    "configurational": {f"{name}_likeness": partial(spectra, name) for name in ("ov_spectrum", "qk_spectrum")},
}
WITHIN_SUITE: dict[Axis, dict[str, Between]] = {**_OTHERS, "developmental": _COURSES}
"""Statistics by axis for models of one family; the first of an axis is the one that speaks for it."""
ACROSS_SUITES: dict[Axis, dict[str, Between]] = {**_OTHERS, "developmental": _RELATIVE}
"""The same for models of different families."""
