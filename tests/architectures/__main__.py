"""Writes the table of architectures: `python -m tests.architectures`. Two minutes. Not here: how it is found."""

import sys

from rich.progress import track

from tests.architectures.document import PATH, page
from tests.architectures.survey import survey
from tests.architectures.tiny import model_types

if __name__ == "__main__":
    rows = [survey(model_type) for model_type in track(model_types(), "Architectures")]
    PATH.write_text(page(rows), encoding="utf-8")
    print(PATH)
    sys.exit(any(row.faults for row in rows))
