"""What measuring and importing cost: `python -m tests.bench`. Not here: whether it is right (tests/assets)."""

from tests.bench import attention, battery, import_induction, sentences, sweep

if __name__ == "__main__":
    attention.main()
    battery.main()
    sweep.main()
    sentences.main()
    import_induction.main()
