"""What measuring, importing, deciding and the catalog cost: `python -m tests.bench`. Not here: whether it is right."""

from tests.bench import attention, battery, deciding, import_induction, incremental, ray_nodes, scale, sentences, sweep

if __name__ == "__main__":
    attention.main()
    battery.main()
    sweep.main()
    sentences.main()
    import_induction.main()
    deciding.main()
    incremental.main()
    scale.main()
    ray_nodes.main()
