"""A catalog with one result on behaviour of a training run that the project's families know."""

from __future__ import annotations

from pathlib import Path

from assets.models.facts import put_stated_model, source_row
from assets.probes.registry import Measurement
from assets.probes.rows import frame_of, put_definitions
from assets.probes.text_loss import METRICS
from catalog.build import finish, publishing, stage
from catalog.home import Home
from catalog.record import Record

RUN, LABEL = "calibration-neox-2l-seed0", "step400"


def home_with_results(root: Path) -> Home:
    """text_loss of the final checkpoint of RUN, published."""
    home = Home(root)
    record = Record(home)
    record.put("sources", "moving-target", {"sources": [source_row()]})
    put_stated_model(record, "calibration-neox", "calibration-neox-2l")
    run = {"run_id": RUN, "model_id": "calibration-neox-2l", "seed": 0}
    record.put("training_runs", RUN, {"training_runs": [run]})
    checkpoint = {
        "checkpoint_id": f"{RUN}@{LABEL}", "run_id": RUN, "label": LABEL, "step": 400, "is_final": True,
        "availability": "available", "weights_sha256": "w",
    }  # fmt: skip
    record.put("checkpoints", checkpoint["checkpoint_id"], {"checkpoints": [checkpoint]})
    metric = next(metric for metric in METRICS if metric.metric_id == "text_loss")
    measured = Measurement("text_loss", {"corpus": "walk", "length": 64}, 3.5, standard_error=0.25, n=4)
    put_definitions(record, [metric], [measured])
    values = frame_of([measured])
    execution = {
        "checkpoint_id": checkpoint["checkpoint_id"], "weights_sha256": "w", "probe": "text_loss", "probe_version": 1,
        "parameters": "{}", "provenance": "measured", "source_id": "moving-target", "status": "ok",
        "dtype": "float32", "cache_key": "k",
    }  # fmt: skip
    record.put_probe_run(execution, values)
    with publishing(home):
        finish(home, stage(home))
    return home
