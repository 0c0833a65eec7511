"""What measuring costs: `python -m tests.bench`. Not here: whether it is right (tests/assets)."""

from tests.bench.attention import main

if __name__ == "__main__":
    main()
