from __future__ import annotations

import numpy as np
import pytest

from assets.probes.samples import over_sequences, refuse_nan
from catalog.errors import UserError


def test_mean_halves_and_standard_error() -> None:
    summary = over_sequences(np.array([[1.0], [2.0], [3.0], [6.0]]))[0]

    assert summary["value"] == 3
    assert summary["value_a"] == 2
    assert summary["value_b"] == 4
    assert summary["standard_error"] == pytest.approx((14 / 3) ** 0.5 / 2)
    assert summary["n"] == 4


def test_one_sequence_has_no_halves_and_no_error() -> None:
    summary = over_sequences(np.array([[1.0, 2.0]]))[1]

    assert summary == {"value": 2, "value_a": None, "value_b": None, "standard_error": None, "n": 1}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_only_numbers_pass(bad: float) -> None:
    refuse_nan(np.zeros(3), "scores", "run@step0")

    with pytest.raises(UserError, match="scores") as caught:
        refuse_nan(np.array([0, bad]), "scores", "run@step0")

    assert caught.value.where == "run@step0"
