"""One audit of a study: look, find, record. Not here: each of these (looking.py, findings.py, recording.py)."""

from __future__ import annotations

from dataclasses import dataclass

from assets.models.audit.findings import Finding, find
from assets.models.audit.holdings import RunHoldings
from assets.models.audit.looking import Tick, hub_runs_of, look, quietly
from assets.models.audit.recording import last_findings, put_audit, with_unasked
from assets.models.parts import at_work_on
from assets.study import Study
from catalog.home import Home
from catalog.record import Record


@dataclass(frozen=True)
class Audited:
    """What came of an audit.

    Attributes:
        runs: the study's training runs on a hub; those that could not be asked about say why.
        findings: by training run that could be asked about.
        new: the runs of which something was found that the last audit had not found, or the reverse.
    """

    runs: list[RunHoldings]
    findings: dict[str, list[Finding]]
    new: list[str]

    @property
    def all_findings(self) -> list[Finding]:
        return [finding for findings in self.findings.values() for finding in findings]

    @property
    def unasked(self) -> list[RunHoldings]:
        return [run for run in self.runs if run.fault is not None]


def audit(study: Study, home: Home, tick: Tick = quietly) -> Audited:
    """Audits the study's training runs and records what was found of each that could be asked about.

    What an earlier audit found is looked at again, whether or not the study chooses these checkpoints.
    """
    record, runs = Record(home), hub_runs_of(study)
    with at_work_on(home, ".audit", lambda line: None):
        before = {run.run_id: last_findings(record, run.run_id) for run in runs}
        also = {name: {f.checkpoint_id.partition("@")[2] for f in findings} for name, findings in before.items()}
        held = look(runs, home, also, tick)
        found = {name: with_unasked(findings, before[name], held) for name, findings in find(held).items()}
        new = [run.run_id for run in held if run.fault is None and put_audit(record, run, found[run.run_id])]
    return Audited(held, found, new)
