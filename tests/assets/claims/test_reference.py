from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from assets.claims.reference import explain, parse
from catalog.errors import UserError

MODEL: dict[str, Any] = {
    "n_layers": 2,
    "n_params": 14_067_712,
    "attention": "softmax",
    "tied_embeddings": False,
    "released_on": dt.date(2023, 7, 19),
    "training_data": "The Pile",
    "tuning": None,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("n_layers = 2", True),
        ("n_layers != 2", False),
        ("n_layers >= 2", True),
        ("n_layers > 2", False),
        ("n_layers < 3 and n_layers <= 2", True),
        ("n_params > 1.4e7", True),
        ("attention = softmax", True),
        ("attention != softmax", False),
        ("training_data = 'The Pile'", True),
        ("tied_embeddings = false", True),
        ("released_on < 2024-01-01", True),
        ("released_on >= 2023-07-20", False),
        ("not n_layers = 2", False),
        ("not not n_layers = 2", True),
        ("not (n_layers = 2 and attention = none)", True),
        # and binds more strongly than or
        ("n_layers = 2 or n_layers = 3 and attention = none", True),
        ("(n_layers = 2 or n_layers = 3) and attention = none", False),
        # and not more strongly than and
        ("not n_layers = 3 and attention = softmax", True),
    ],
)
def test_evaluates(text: str, expected: bool) -> None:
    assert parse(text).evaluate(MODEL) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tuning = instruct", None),
        ("tuning != instruct", None),
        ("not tuning = instruct", None),
        ("tuning = instruct and n_layers = 2", None),
        ("tuning = instruct and n_layers = 3", False),
        ("tuning = instruct or n_layers = 2", True),
        ("tuning = instruct or n_layers = 3", None),
        ("n_checkpoints >= 2", None),
    ],
)
def test_unknown_properties_decide_nothing_that_they_could_change(text: str, expected: bool | None) -> None:
    assert parse(text).evaluate(MODEL) is expected


@pytest.mark.parametrize(
    "text",
    [
        "not (n_layers = 2)",
        "n_layers >= 2 and (attention = softmax or attention = hybrid)",
        "training_data = 'The Pile'",
        "released_on < 2024-01-01",
        "true",
    ],
)
def test_is_written_as_it_was_read(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'the end' is not a property"),
        ("layers > 2", "'layers' is not a property"),
        ("n_layers", "after n_layers one of"),
        ("n_layers >", "a value is missing"),
        ("n_layers > and", "a value is missing"),
        ("n_layers > two", "n_layers is a number, 'two' is none"),
        ("n_layers > nan", "n_layers is a number, 'nan' is none"),
        ("n_layers = '2'", "n_layers is a number, '2' is none"),
        ("attention > softmax", "attention is a text and has no order"),
        ("tied_embeddings = yes", "tied_embeddings is a boolean, 'yes' is none"),
        ("tied_embeddings < true", "tied_embeddings is a boolean and has no order"),
        ("released_on > 2023", "released_on is a date, '2023' is none"),
        ("(n_layers = 2", "a closing bracket is missing"),
        ("n_layers = 2)", "')' is not expected"),
        ("n_layers = 2 attention = softmax", "'attention' is not expected"),
        ("n_layers = 2 & true", "'& true' can't be read"),
        ("__import__('os')", "'__import__' is not a property"),
    ],
)
def test_refuses_what_is_no_predicate(text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text, "claim.yaml, reference_class")

    assert told in error.value.what
    assert error.value.where == "claim.yaml, reference_class"
    assert error.value.mend


def test_names_the_place_of_a_fault() -> None:
    with pytest.raises(UserError, match="at character 18: 'layers' is not a property"):
        parse("n_layers = 2 and layers = 3")


def test_explains_what_is_false_and_what_is_not_known() -> None:
    predicate = parse("n_layers >= 4 and attention = softmax and tuning = base")

    assert explain(predicate, MODEL) == (
        "n_layers is 2, the claim is about n_layers >= 4; tuning is not known, the claim is about tuning = base"
    )


def test_explains_a_negation() -> None:
    assert explain(parse("not n_layers = 2"), MODEL) == "outside of not (n_layers = 2)"
