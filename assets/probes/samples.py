"""From values per sequence to a measurement: the mean, its two halves, its standard error; refusing NaN.

Not here: drawing the sequences (inputs.py).
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from catalog.errors import UserError


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
        )
