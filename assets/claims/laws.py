"""Laws: a quantity predicted from design properties, stated as numbers in a claim file.

    log10 quantity = intercept + sum of exponent * log10 property

Data rather than code, so that whoever holds a claim can ask what it implies for a model that nobody has measured. Not
here: what is compared with the prediction (estimands/).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from assets.claims.reference import NUMBERS
from assets.study import Strict


class Law(Strict):
    """A product of powers of design properties."""

    intercept: float
    """log10 of the factor in front, in the unit of what is predicted."""
    exponents: dict[str, float] = Field(min_length=1)
    """By design property, a number."""

    @field_validator("exponents")
    @classmethod
    def _are_numbers(cls, exponents: dict[str, float]) -> dict[str, float]:
        for name in exponents:
            if name not in NUMBERS:
                raise ValueError(f"{name} is not a design property that is a number: {', '.join(NUMBERS)}")
        return exponents

    def unknown(self, properties: Mapping[str, Any]) -> list[str]:
        """The properties that the law needs and that are not known (or not above 0) for this model."""
        return [name for name in self.exponents if not (properties.get(name) or 0) > 0]

    def predict(self, properties: Mapping[str, Any]) -> float | None:
        """The quantity of a model with these design properties; None where one that the law needs is not known."""
        if self.unknown(properties):
            return None
        powers = (exponent * math.log10(properties[name]) for name, exponent in self.exponents.items())
        return float(10 ** (self.intercept + sum(powers)))
