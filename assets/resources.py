"""What an asset is given: the study in question and the home that its files stay in."""

from __future__ import annotations

from dagster import ConfigurableResource, EnvVar

from assets.study import STUDY_VARIABLE, Study, load_study
from catalog.home import Home
from catalog.record import Record


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
