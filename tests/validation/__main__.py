"""How often the rules are right, by simulation: `python -m tests.validation [NAME ...]`, or `make validate`.

Each module simulate_NAME.py of this folder holds `main()`, which prints one or more tables; all seeds are fixed, so the
figures come out the same again. Not here: figures of others that must be met (test_*.py, run by `make test`).
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("simulate_") for path in Path(__file__).parent.glob("simulate_*.py"))


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"There is no simulation {', '.join(unknown)}. Known: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        began = time.monotonic()
        print(f"\n# {name}: python -m tests.validation {name}\n", flush=True)
        importlib.import_module(f"tests.validation.simulate_{name}").main()
        print(f"\n({time.monotonic() - began:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
