"""What an asset is given: the study in question, the home that its files stay in, and what is tried again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Backoff, ConfigurableResource, EnvVar, Failure, RetryPolicy

from assets.study import STUDY_VARIABLE, Study, load_study
from catalog.errors import UserError
from catalog.home import Home
from catalog.record import Record

RETRIES = RetryPolicy(max_retries=2, delay=1, backoff=Backoff.EXPONENTIAL)
"""Twice, after 1 and 2 s more: the hub's client waits by itself, as long as it is told to, before it gives up."""


class Workspace(ConfigurableResource):
    """A study and a home.

    Attributes:
        study_name: name of a study, or a path to its file.
        retry: whether what failed lastingly is tried again.
    """

    study_name: str = EnvVar(STUDY_VARIABLE)
    retry: bool = False

    @property
    def study(self) -> Study:
        return load_study(self.study_name)

    @property
    def home(self) -> Home:
        return Home.from_environment()

    @property
    def record(self) -> Record:
        return Record(self.home)


@contextmanager
def told_to_dagster() -> Iterator[None]:
    """Lets a step be tried again where its fault may pass: where a UserError is not lasting. A fault of our own is not.

    Raises:
        Failure: anything was raised inside.
    """
    try:
        yield
    except Failure:
        raise
    except UserError as error:
        raise Failure(str(error), allow_retries=not error.lasting) from error
    except Exception as error:
        raise Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
