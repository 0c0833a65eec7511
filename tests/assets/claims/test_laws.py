from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from assets.claims.laws import Law

SQRT = Law(intercept=5.7, exponents={"batch_size": 0.5, "sequence_length": 0.5})


def test_a_law_is_a_product_of_powers() -> None:
    """10^5.7 sqrt(1024 * 2048): 7.26e8 tokens, 346 steps of Pythia."""
    predicted = SQRT.predict({"batch_size": 1024, "sequence_length": 2048})

    assert predicted == pytest.approx(10**5.7 * math.sqrt(1024 * 2048))
    assert (predicted or 0) / (1024 * 2048) == pytest.approx(346.1, abs=0.05)


@pytest.mark.parametrize("design", [{}, {"batch_size": 1024}, {"batch_size": None, "sequence_length": 64}])
def test_without_a_property_there_is_no_prediction(design: dict[str, int | None]) -> None:
    assert SQRT.predict(design) is None
    assert "batch_size" in SQRT.unknown(design) or "sequence_length" in SQRT.unknown(design)


@pytest.mark.parametrize(
    ("exponents", "told"), [({"size": 1}, "size is not a design"), ({"attention": 1}, "attention")]
)
def test_a_law_is_over_properties_that_are_numbers(exponents: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Law(intercept=0, exponents=exponents)
