"""`models add`: a repository of the hub joins a study; it is predicted, measured, scored, and what moved is told.

Here: the order of things. Not here: what is asked of the hub and written (assets/models), the prediction (the asset
`predictions`, first in the job that measures), what is printed (show.py).
"""

from __future__ import annotations

from rich.console import Console

from assets.models.added import Added, add
from assets.models.hub.repositories import look_at
from assets.models.runs import run_named
from assets.probes.battery import battery_of
from assets.probes.plan import RunPlan, plan_run, standing
from assets.publish.arriving import in_the_way
from assets.publish.due import publication_is_due
from catalog.home import Home
from catalog.read import open_catalog
from catalog.record import Record
from pipelines import show
from pipelines.running import checked, last_build, measure_due, publish_now, tell
from pipelines.settings import use_defaults


def add_model(
    name: str, study: str, family: str | None, revisions: str | None, run: bool, out: Console, err: Console
) -> None:
    """Adds a repository to a study and, unless told not to, does for its training runs alone all that is due.

    Raises:
        UserError: the repository can't be measured, or publishing failed. A training run that failed ends in status 1
            after everything else was published.
    """
    home = use_defaults()
    repository = look_at(name)
    added = add(home, checked(study), repository, family, revisions)
    out.print(_told(added, name, study, home), soft_wrap=True, highlight=False)
    if repository.is_gated:
        out.print("Its licence was accepted by this user; whoever is handed the weights must accept it too.")
    if not run:
        out.print(f"To measure it: python -m pipelines run {study}", soft_wrap=True, highlight=False)
        return
    before, due = last_build(home), _due(added, home)
    for reason in dict.fromkeys(in_the_way(home, plan.run) for plan in due):
        if reason is not None:
            out.print(f"Nothing is predicted: {reason}.", highlight=False)
    failed = measure_due(study, added.study, due, home, 1, out) if due else []
    if due or publication_is_due(home, added.study):
        publish_now(study, home, out)
    else:
        out.print("Nothing is due: it was measured, decided and published before.")
    frozen = _n_frozen(home, added.model_id, before)
    if frozen:
        out.print(f"{frozen} predictions of {added.model_id} were frozen before it was measured.")
    scores = show.scores(home, added.model_id)
    if scores is not None:
        out.print(scores)
    tell(home, before, failed, out, err)


def _told(added: Added, name: str, study: str, home: Home) -> str:
    runs = ", ".join(added.run_ids)
    if not added.is_new:
        return f"Study {study} has {name} already: training run {runs} of model {added.model_id}."
    file = home.models / added.study.name / f"{added.family_id}.yaml"
    return f"Added to study {study}: training run {runs} of model {added.model_id}, family {added.family_id}. In {file}"


def _due(added: Added, home: Home) -> list[RunPlan]:
    """What is due of its training runs alone."""
    record = Record(home)
    battery, stands = battery_of(added.study, home), standing(record)
    plans = [plan_run(run_named(added.study, run_id), battery, record, stands) for run_id in added.run_ids]
    return [plan for plan in plans if plan.due]


def _n_frozen(home: Home, model_id: str, before: int) -> int:
    with open_catalog(home) as connection:
        query = "SELECT count(*) FROM predictions WHERE subject = $1 AND since_build > $2"
        [(count,)] = connection.execute(query, [model_id, before]).fetchall()
    return count
