"""The environment that every process of ours runs in: where things are, that nothing reports home, that workers whose
output shares one terminal draw no progress bars of their own.

Here: environment variables and Dagster's home. Nothing that the user has set is overridden.
"""

from __future__ import annotations

import os
from pathlib import Path

from assets.study import STUDY_VARIABLE
from catalog.home import ENVIRONMENT_VARIABLE, RECORD_VARIABLE, Home
from catalog.store import write_new

DEFAULT_STUDY = "demo"
DEFAULTS = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "180",  # a hub may take its time to answer the sensor new_models
    "TQDM_DISABLE": "1",  # bars of libraries would be drawn across our own
}


def use_defaults() -> Home:
    """Sets what is not set, and makes Dagster's home with our dagster.yaml.

    Returns:
        The home, whose paths are absolute from here on, in this process and those it starts.
    """
    home = Home.from_environment()
    os.environ[ENVIRONMENT_VARIABLE] = str(home.root)
    if home.record_location:
        os.environ[RECORD_VARIABLE] = home.record_location
    os.environ.setdefault(STUDY_VARIABLE, DEFAULT_STUDY)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("DAGSTER_HOME", str(home.dagster))
    configuration = Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml"
    if not configuration.exists():
        write_new(configuration, Path(__file__).with_name("dagster.yaml").read_bytes())
    return home
