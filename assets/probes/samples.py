"""From values per sequence to a measurement: the mean, its two halves, its standard error; refusing NaN.

Not here: drawing the sequences (inputs.py).
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from catalog.errors import UserError

_ALL, _EVEN, _ODD = slice(None), slice(None, None, 2), slice(1, None, 2)


class Summary(TypedDict):
    """Fields of a Measurement that follow from its values per sequence."""

    value: float
    value_a: float | None
    value_b: float | None
    standard_error: float | None
    n: int


def over_sequences(values: np.ndarray) -> list[Summary]:
    """By column: the mean over sequences, over the even- and over the odd-numbered ones, and its standard error.

    Args:
        values: (sequences, columns). With one sequence there is no standard error and there are no halves.
    """
    values, n = values.astype(np.float64), len(values)
    means = values.mean(0).tolist()
    if n == 1:
        return [Summary(value=mean, value_a=None, value_b=None, standard_error=None, n=n) for mean in means]
    halves = values[::2].mean(0).tolist(), values[1::2].mean(0).tolist()
    errors = (values.std(0, ddof=1) / np.sqrt(n)).tolist()
    return [
        Summary(value=mean, value_a=a, value_b=b, standard_error=error, n=n)
        for mean, a, b, error in zip(means, *halves, errors, strict=True)
    ]


def refuse_nan(values: np.ndarray, what: str, checkpoint_id: str) -> None:
    """Lets only numbers pass.

    Raises:
        UserError: some value is NaN or infinite.
    """
    if not np.isfinite(values).all():
        raise UserError(
            f"The model yields NaN or infinite {what}.",
            where=checkpoint_id,
            mend="The weights are damaged, or overflow in this precision: fetch them again, or measure in float32.",
            lasting=True,
        )


def ratios_over_sequences(numerators: np.ndarray, denominators: np.ndarray) -> list[Summary | None]:
    """By column: the sum of numerators over that of denominators, the same on either half, and its standard error.

    The error is the jackknife's: the ratio without each sequence in turn (Efron and Tibshirani 1993, equation 11.5). A
    half whose denominators sum to nothing has no value, and a column of which some sequence holds everything no error.

    Args:
        numerators, denominators: (sequences, columns).

    Returns:
        None where the denominators of the whole column sum to nothing. n counts sequences whose denominator is not 0.
    """
    numerators, denominators = numerators.astype(np.float64), denominators.astype(np.float64)
    return [_ratio(*columns) for columns in zip(numerators.T, denominators.T, strict=True)]


def _ratio(numerators: np.ndarray, denominators: np.ndarray) -> Summary | None:
    whole, a, b = (_quotient(numerators[part].sum(), denominators[part].sum()) for part in (_ALL, _EVEN, _ODD))
    if whole is None:
        return None
    held = denominators != 0
    n, numerators, denominators = int(held.sum()), numerators[held], denominators[held]
    without = [
        _quotient(numerators.sum() - top, denominators.sum() - bottom)
        for top, bottom in zip(numerators, denominators, strict=True)
    ]
    known = [ratio for ratio in without if ratio is not None]
    error = float(np.sqrt((n - 1) * np.var(known))) if n > 1 and len(known) == n else None
    return Summary(value=whole, value_a=a, value_b=b, standard_error=error, n=n)


def _quotient(numerator: float, denominator: float) -> float | None:
    return float(numerator / denominator) if abs(denominator) > 1e-9 else None
