"""One estimand of one claim, at every level and on every subject.

Runs pass the gates and give outcomes; outcomes make rulings on models, these on families, these across. A family
counts towards more than itself only if it is natural: what we trained to show a thing is no evidence that the thing is
general.

    run      each training run                          not for what is decided over runs or models only
    model    its runs                                   not for what is decided over models only
    architecture   its runs, whatever their role        for claims about instruments only
    family   natural families: models, those of one parent being one unit
    across   natural families that vote

Not here: the rules (verdicts.py), the estimates (estimands/), why there is no verdict, in words (telling.py), what
stands beside a verdict (robustness.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Literal

from assets.claims import gates
from assets.claims.estimands.base import Estimand, OverFamily, OverModels, Placed
from assets.claims.estimands.reliability import Reliability
from assets.claims.instruments import Faults
from assets.claims.outcomes import DECIDED, Ruling, RunOutcome, Verdict
from assets.claims.reading.evidence import Evidence
from assets.claims.reading.readings import Reading
from assets.claims.schema import Claim
from assets.claims.statistics import pooling
from assets.claims.subjects import Subjects
from assets.claims.telling import convenience_sample, nothing, reasons_of, too_few
from assets.claims.verdicts import counted, family_rule, number, vote, votes_rule

WORDS: dict[str | None, Verdict] = {"h": "holds", "f": "fails", "u": "inconclusive"}
NO_PLACEBO = "no placebo"
EVALUATED = (*DECIDED, "inconclusive")
Vote = Literal["h", "f", "m"]


@dataclass(frozen=True)
class Judged:
    """A verdict on one subject.

    Attributes:
        runs: all training runs of the subject, those left out with the reason.
        included: ids of those that counted.
        without: the verdict with one unit left out, by what was left out.
    """

    level: str
    subject: str
    ruling: Ruling
    runs: tuple[RunOutcome, ...]
    included: frozenset[str]
    without: Mapping[str, Verdict] = field(default_factory=dict)


class Judging:
    """Decides one estimand of a claim.

    Args:
        examine: whether to also decide with one unit left out at a time.
    """

    def __init__(
        self,
        claim: Claim,
        estimand: Estimand,
        subjects: Subjects,
        evidence: Evidence,
        faults: Faults,
        examine: bool = False,
    ) -> None:
        self.claim, self.estimand, self.subjects = claim, estimand, subjects
        self.evidence, self.faults, self.examine = evidence, faults, examine
        self.outcomes = self._outcomes()

    def all(self, levels: Collection[str] = ("run", "model", "architecture", "family", "across")) -> list[Judged]:
        """Every verdict at those of the claim's levels that are named, in the order of levels and subjects."""
        found: dict[str, Callable[[], list[Judged]]] = {
            "run": lambda: [self._run(run_id) for run_id in self.subjects.runs] if self.estimand.unit == "run" else [],
            "model": lambda: list(self.models.values()),
            "architecture": lambda: list(self._architectures()),
            "family": lambda: list(self.families.values()),
            "across": lambda: [self._across(self.models, self.families)],
        }
        return [judged for level in self.claim.levels if level in levels for judged in found[level]()]

    @cached_property
    def models(self) -> dict[str, Judged]:
        """The verdicts on models, by id; none for an estimand that is decided over models only."""
        return {} if self.estimand.unit == "family" else {m: self._model(m) for m in self.subjects.models}

    @cached_property
    def families(self) -> dict[str, Judged]:
        """The verdicts on natural families, by id."""
        return {f: self._family(f, self.models) for f in self.subjects.natural}

    def among(self, model_ids: Collection[str]) -> Judging:
        """The same as if there were only these models. Only families that lose one are decided again."""
        other = copy(self)
        other.subjects = self.subjects.only(model_ids)
        other.models = {m: judged for m, judged in self.models.items() if m in other.subjects.models}
        whole = {f for f in other.subjects.natural if other.subjects.models_of(f) == self.subjects.models_of(f)}
        if self.estimand.unit == "family":
            less = copy(other)
            less.subjects = other.subjects.only(
                [m for m, model in other.subjects.models.items() if model["family_id"] not in whole]
            )
            again = less._outcomes()
            other.outcomes = {run_id: again.get(run_id, self.outcomes[run_id]) for run_id in other.subjects.runs}
        other.families = {
            f: self.families[f] if f in whole else other._family(f, other.models) for f in other.subjects.natural
        }
        return other

    # Runs

    def _outcomes(self) -> dict[str, RunOutcome]:
        """What each run gives, gates passed; runs that are compared are read together."""
        found = {run_id: gate for run_id in self.subjects.runs if (gate := self._gate(run_id)) is not None}
        for together in self._groups():
            inside = [run_id for run_id in together if run_id not in found]
            found |= {run.run_id: self._flagged(run) for run in self.estimand.sample(self.evidence, inside)}
        return {run_id: found[run_id] for run_id in self.subjects.runs}

    def _flagged(self, run: RunOutcome) -> RunOutcome:
        """The outcome, marked where it was read without the placebo that the claim subtracts."""
        if run.state != "decided" or not self._lacks_placebo(run):
            return run
        return replace(run, reason="; ".join(filter(None, [run.reason, NO_PLACEBO])), no_placebo=True)

    def _readings(self) -> list[Reading]:
        """What it reads, those among them that choose heads for others."""
        return [part for reading in self.estimand.readings().values() for part in reading.all.values()]

    def _lacks_placebo(self, run: RunOutcome) -> bool:
        for reading in self._readings():
            ranked = self.evidence.matching(reading, run.run_id) if reading.minus else []
            read = run.variant_id if run.variant_id in ranked else next(iter(ranked), None)
            if read and self.evidence.lacks_placebo(reading, run.run_id, read):
                return True
        return False

    def _groups(self) -> Iterable[list[str]]:
        if self.estimand.unit == "run":
            return [list(self.subjects.runs)]
        if self.estimand.unit == "model":
            return [self.subjects.of_model(model_id) for model_id in self.subjects.models]
        return [self.subjects.of_family(family_id) for family_id in self.subjects.roles]

    def _gate(self, run_id: str) -> RunOutcome | None:
        """Why the run does not reach the estimand; None where it does."""
        run = self.subjects.runs[run_id]
        left_out = gates.outside(self.claim.predicate, run)
        if left_out:
            return RunOutcome(run_id, left_out[0], reason=left_out[1])
        for reading in self._readings():
            ranked = self.evidence.matching(reading, run_id)
            alone = bool(ranked) and self.evidence.lacks_placebo(reading, run_id, ranked[0])
            for metric in [self.evidence.metric_of(ranked[0]), None if alone else reading.minus] if ranked else []:
                subtracted = None if metric == reading.minus else reading.minus
                fault = self.faults.get((metric or "", subtracted, run.properties["architecture"]))
                if fault:
                    return RunOutcome(run_id, "undefined", variant_id=ranked[0], reason=f"instrument: {fault}")
        return None

    def _of(self, run_ids: Iterable[str]) -> tuple[tuple[RunOutcome, ...], tuple[RunOutcome, ...]]:
        """All outcomes of these runs, and those that count."""
        runs = tuple(self.outcomes[run_id] for run_id in run_ids)
        return runs, tuple(run for run in runs if run.state == "decided")

    def _run(self, run_id: str) -> Judged:
        run = self.outcomes[run_id]
        if run.state != "decided":
            return Judged("run", run_id, nothing([run]), (run,), frozenset())
        ruling = Ruling(
            WORDS[run.outcome],
            f"{self._words([run])}: {run.reason}.",
            run.estimate,
            run.low,
            run.high,
            n_h=int(run.outcome == "h"),
            n_f=int(run.outcome == "f"),
            n_u=int(run.outcome == "u"),
            unit=self.estimand.in_unit,
            weights=(1.0,),
        )
        return Judged("run", run_id, ruling, (run,), frozenset([run_id]))

    def _words(self, runs: Sequence[RunOutcome]) -> str:
        """What was estimated, with the metric that these runs were read by, as the beginning of a sentence."""
        read = {self.evidence.metric_of(run.variant_id) for run in runs if run.variant_id}
        words = self.estimand.words(read.pop() if len(read) == 1 else None)
        return words[:1].upper() + words[1:]

    # Models

    def _model(self, model_id: str) -> Judged:
        runs, decided = self._of(self.subjects.of_model(model_id))
        if not decided:
            return Judged("model", model_id, nothing(runs), runs, frozenset())
        ruling = self.estimand.over_runs(self.evidence, decided, self.claim.delta)
        without: dict[str, Verdict] = {}
        if len(decided) < gates.RUNS_NEEDED:
            had = counted(len(decided), "training run")
            ruling = too_few(ruling, f"{had} of the {gates.RUNS_NEEDED} that are needed")
        elif self.examine:
            without = {
                left.run_id: self.estimand.over_runs(
                    self.evidence, [run for run in decided if run is not left], self.claim.delta
                ).verdict
                for left in decided
            }
        return Judged("model", model_id, ruling, runs, _ids(decided), without)

    # Architectures, of claims about instruments

    def _architectures(self) -> Iterator[Judged]:
        """Every architecture in the catalog, by all its runs, whatever their family's role."""
        assert isinstance(self.estimand, Reliability)
        together: dict[str, list[str]] = {}
        for run_id, run in self.subjects.runs.items():
            together.setdefault(run.properties["architecture"] or "", []).append(run_id)
        for architecture in sorted(set(together) - {""}):
            runs, decided = self._of(together[architecture])
            ruling = self.estimand.over_architecture(decided) if decided else nothing(runs)
            yield Judged("architecture", architecture, ruling, runs, _ids(decided))

    # Families

    def _family(self, family_id: str, models: Mapping[str, Judged]) -> Judged:
        if isinstance(self.estimand, OverFamily):
            return self._over_models(family_id, self.estimand)
        runs, _ = self._of(self.subjects.of_family(family_id))
        own = {model_id: models[model_id] for model_id in self.subjects.models_of(family_id)}
        evaluated = {m: judged for m, judged in own.items() if judged.ruling.verdict in EVALUATED}
        if not evaluated:
            why = reasons_of({model_id: judged.ruling for model_id, judged in own.items()})
            return Judged("family", family_id, nothing(runs, why), runs, frozenset())
        verdicts = {model_id: judged.ruling.verdict for model_id, judged in evaluated.items()}
        units = self._units(verdicts)
        ruling = family_rule(units)
        if len(units) < gates.MODELS_NEEDED:
            ruling = too_few(ruling, f"{counted(len(units), 'model')} of the {gates.MODELS_NEEDED} that are needed")
        included = frozenset().union(*(judged.included for judged in evaluated.values()))
        return Judged("family", family_id, ruling, runs, included, self._family_without(evaluated, verdicts))

    def _family_without(self, evaluated: Mapping[str, Judged], verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
        """The family's verdict without one model, and without one run of a model."""
        if not self.examine:
            return {}
        found: dict[str, Verdict] = {}
        for model_id, judged in evaluated.items():
            others = {m: verdict for m, verdict in verdicts.items() if m != model_id}
            found[model_id] = family_rule(self._units(others)).verdict
            for run_id, changed in judged.without.items():
                found[run_id] = family_rule(self._units({**others, model_id: changed})).verdict
        return found

    def _units(self, verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
        """Verdicts of models as those of units: models of one parent are one."""
        together: dict[str, list[str]] = {}
        for model_id in verdicts:
            together.setdefault(self.subjects.unit_of(model_id), []).append(model_id)
        found: dict[str, Verdict] = {}
        for unit, members in together.items():
            voted = vote([verdicts[m] for m in members if verdicts[m] in DECIDED])
            name = members[0] if len(members) == 1 else f"{unit} and those made of it"
            found[name] = {"h": "holds", "f": "fails", "m": "mixed", None: "inconclusive"}[voted]  # type: ignore[assignment]
        return found

    def _over_models(self, family_id: str, estimand: OverFamily) -> Judged:
        runs = tuple(self._known(self.outcomes[run_id], estimand) for run_id in self.subjects.of_family(family_id))
        decided = tuple(run for run in runs if run.state == "decided")
        if not decided:
            return Judged("family", family_id, nothing(runs), runs, frozenset())
        ruling = estimand.over_models(self.evidence, self._placed(decided, estimand), self.claim.delta)
        said = ruling.reason[:1].lower() + ruling.reason[1:]
        against = f" against {estimand.over}" if isinstance(estimand, OverModels) else ""
        ruling = replace(ruling, reason=f"{self._words(decided)}{against}: {said}")
        return Judged("family", family_id, ruling, runs, _ids(decided), self._models_without(decided, estimand))

    def _known(self, run: RunOutcome, estimand: OverFamily) -> RunOutcome:
        """The outcome, which does not count where a design property that the estimand needs is not known."""
        unknown = [name for name in estimand.needs if self.subjects.runs[run.run_id].properties[name] is None]
        if run.state != "decided" or not unknown:
            return run
        return replace(run, state="missing", reason=f"{' and '.join(unknown)} of the model is not known")

    def _placed(self, decided: Iterable[RunOutcome], estimand: OverFamily) -> dict[str, Placed]:
        together: dict[str, list[RunOutcome]] = {}
        for run in decided:
            together.setdefault(self.subjects.unit_of(self.subjects.runs[run.run_id].model_id), []).append(run)
        found: dict[str, Placed] = {}
        for unit, runs in together.items():
            properties = tuple(self.subjects.runs[run.run_id].properties for run in runs)
            x = [float(own[estimand.over]) for own in properties] if isinstance(estimand, OverModels) else [0.0]
            found[unit] = Placed(sum(x) / len(x), tuple(runs), properties)
        return found

    def _models_without(self, decided: Sequence[RunOutcome], estimand: OverFamily) -> dict[str, Verdict]:
        if not self.examine:
            return {}
        found: dict[str, Verdict] = {}
        for name in {self.subjects.runs[run.run_id].model_id for run in decided} | {run.run_id for run in decided}:
            kept = [r for r in decided if name not in (r.run_id, self.subjects.runs[r.run_id].model_id)]
            found[name] = estimand.over_models(self.evidence, self._placed(kept, estimand), self.claim.delta).verdict
        return dict(sorted(found.items()))

    # Across

    def _across(self, models: Mapping[str, Judged], families: Mapping[str, Judged]) -> Judged:
        runs = tuple(run for judged in families.values() for run in judged.runs)
        votes: dict[str, Vote] = {}
        included: set[str] = set()
        by_runs: list[str] = []
        for family_id, judged in families.items():
            voted, voters, flagged = self._vote(family_id, judged, models)
            if voted:
                votes[family_id] = voted
                included |= voters
                by_runs += [family_id] * flagged
        if not votes:
            absent = nothing(runs) if runs else Ruling("insufficient", "There is no natural family in the catalog.")
            if absent.verdict == "insufficient" and any(run.state == "decided" for run in runs):
                absent = Ruling("insufficient", "No natural family has a verdict of its own yet.", n_h=0, n_f=0, n_u=0)
            return Judged("across", "all", absent, runs, frozenset())
        ruling = votes_rule(votes)
        few = len(votes) < gates.FAMILIES_NEEDED
        if few:
            ruling = too_few(ruling, f"{counted(len(votes), 'family')} of the {gates.FAMILIES_NEEDED} that are needed")
        elif self.estimand.continuous:
            ruling = self._pooled(ruling, votes, models, families)
        ruling = replace(ruling, reason=f"{ruling.reason} {self._sample(votes, by_runs, included)}")
        left = (
            {name: {k: v for k, v in votes.items() if k != name} for name in votes} if self.examine and not few else {}
        )
        without = {name: votes_rule(kept).verdict for name, kept in left.items()}
        return Judged("across", "all", ruling, runs, frozenset(included), without)

    def _vote(
        self, family_id: str, judged: Judged, models: Mapping[str, Judged]
    ) -> tuple[Vote | None, frozenset[str], bool]:
        """The family's vote, the runs behind it, and whether it rests on single runs only."""
        if self.estimand.unit == "family":
            return vote([judged.ruling.verdict] * (judged.ruling.verdict in DECIDED)), judged.included, False
        decided = [models[m] for m in self.subjects.models_of(family_id) if models[m].ruling.verdict in DECIDED]
        if decided:
            voters = frozenset().union(*(model.included for model in decided))
            return vote([model.ruling.verdict for model in decided]), voters, False
        told = [run for run in judged.runs if run.state == "decided" and run.outcome in ("h", "f")]
        return vote([run.outcome or "" for run in told]), _ids(told), True

    def _sample(self, votes: Mapping[str, Vote], by_runs: Sequence[str], included: Iterable[str]) -> str:
        behind = [self.subjects.runs[run_id].properties for run_id in sorted(included)]
        return convenience_sample(list(votes), behind, by_runs)

    def _pooled(
        self, ruling: Ruling, votes: Mapping[str, Vote], models: Mapping[str, Judged], families: Mapping[str, Judged]
    ) -> Ruling:
        """The ruling with the mean over families of the quantity itself, its prediction interval, and leave-one-out."""
        values: dict[str, float] = {}
        variances: dict[str, float] = {}
        for family_id in votes:
            rulings = {m: models[m].ruling for m in self.subjects.models_of(family_id) if m in models}
            if isinstance(self.estimand, OverModels):
                own = families[family_id].ruling
                rulings = {family_id: own}
                variances[family_id] = (own.standard_error or 0.0) ** 2
            units: dict[str, list[float]] = {}
            for name, each in rulings.items():
                if each.estimate is not None and each.verdict in EVALUATED:
                    units.setdefault(self.subjects.unit_of(name), []).append(each.estimate)
            if units:
                values[family_id] = fmean(fmean(each) for each in units.values())

        def over(names: Iterable[str]) -> pooling.Pooled:
            known = [variances.get(name, 0.0) for name in names]
            return pooling.pool([values[name] for name in names], known if all(known) else None)

        pooled = over(values)
        left = [over([other for other in values if other != name]).mean.estimate or 0.0 for name in values]
        said = f"{number(pooled.mean.estimate)}, {number(min(left))} to {number(max(left))} without any one"
        return replace(
            ruling,
            reason=f"{ruling.reason} Mean over families {said}.",
            estimate=pooled.mean.estimate,
            low=pooled.mean.low,
            high=pooled.mean.high,
            pi_low=pooled.prediction.low,
            pi_high=pooled.prediction.high,
            tau=pooled.tau,
            unit=self.estimand.in_unit,
        )


def _ids(runs: Iterable[RunOutcome]) -> frozenset[str]:
    return frozenset(run.run_id for run in runs)
