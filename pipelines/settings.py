"""The environment that every process of ours runs in: where things are, and that nothing reports home.

Here: environment variables and Dagster's home. Nothing that the user has set is overridden.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from assets.resources import STUDY_VARIABLE
from catalog.home import ENVIRONMENT_VARIABLE, Home
from catalog.record import told_plainly

DEFAULT_STUDY = "demo"
PRIVACY = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def use_defaults() -> Home:
    """Sets what is not set, and makes Dagster's home with our dagster.yaml.

    Returns:
        The home, whose path is absolute from here on, in this process and those it starts.
    """
    home = Home.from_environment()
    os.environ[ENVIRONMENT_VARIABLE] = str(home.root)
    os.environ.setdefault(STUDY_VARIABLE, DEFAULT_STUDY)
    for name, value in PRIVACY.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("DAGSTER_HOME", str(home.dagster))
    configuration = Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml"
    if not configuration.exists():
        with told_plainly(configuration):
            configuration.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(__file__).with_name("dagster.yaml"), configuration)
    return home
