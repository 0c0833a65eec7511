"""A study's battery: which probes it runs, on which checkpoints, on which text, with which options. Torch-free.

Not here: what is due (plan.py), the doing (measure.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from assets.probes.corpora import Corpus, default_corpus
from assets.probes.registry import Probe, Setting, probe_named
from assets.study import ProbeChoice, Study, TextFile
from catalog.errors import UserError
from catalog.home import Home

RETEST_SEED = 1


@dataclass(frozen=True)
class Task:
    """One probe run to be done on a checkpoint."""

    probe: str
    sample_seed: int = 0


@dataclass(frozen=True)
class Battery:
    """The probes of a study, and how it has them measured.

    Attributes:
        choices: by name of the probe.
        corpus: the text of natural-text metrics.
        retest: whether final checkpoints are measured again on fresh inputs.
        activation_bytes: what a forward pass may take beside the weights.
    """

    choices: Mapping[str, ProbeChoice]
    corpus: Corpus = field(default_factory=default_corpus)
    retest: bool = True
    activation_bytes: int = 2**30

    def with_probes(self, names: Iterable[str]) -> Battery:
        """The same with these probes instead, as the study has them measured where it names them."""
        return replace(self, choices={name: self.choices.get(name, ProbeChoice(name=name)) for name in names})

    def tasks(self, *, last: bool) -> list[Task]:
        """What is measured on a checkpoint; `last` is that of its training run."""
        tasks = []
        for name, choice in self.choices.items():
            probe = probe_named(name)
            if last or (choice.checkpoints or probe.checkpoints) == "all":
                tasks.append(Task(name))
            if last and probe.redraws and self.retest:
                tasks.append(Task(name, RETEST_SEED))
        return tasks

    def setting(self, task: Task, role: str) -> Setting:
        """How a task is measured on a checkpoint of a family with this role.

        Raises:
            UserError: the study states an option that the probe does not have.
        """
        probe = probe_named(task.probe)
        return Setting(role, self.corpus, _options(probe, self.choices[task.probe]), task.sample_seed)


def battery_of(study: Study, home: Home) -> Battery:
    """The study's battery.

    Raises:
        UserError: a probe or an option is unknown, or the corpus can't be read.
    """
    choices = {choice.name: choice for choice in study.probes}
    for choice in study.probes:
        _options(probe_named(choice.name), choice)
    return Battery(choices, _corpus(study, home), study.retest, int(study.memory_gb * 1e9))


def _options(probe: Probe, choice: ProbeChoice) -> object:
    try:
        return probe.Options.model_validate(choice.options)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(["checkpoints", *probe.Options.model_fields])
        raise UserError(
            f"The options of probe {probe.name} do not fit: {faults}.",
            where=f"probes.{probe.name} of the study",
            mend=f"It takes: {known}.",
        ) from None


def _corpus(study: Study, home: Home) -> Corpus:
    if study.corpus is None:
        return default_corpus()
    if isinstance(study.corpus, TextFile):
        return Corpus.of_file(Path(study.corpus.file).expanduser())
    from assets.probes.corpora.hub import fetch

    return fetch(study.corpus, home)
