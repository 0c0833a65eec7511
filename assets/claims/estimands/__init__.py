"""The kinds of estimand, a module each: its keys in a claim file, and how it is estimated and decided.

A claim's `estimand.kind` names one. Each kind offers

    readings()                      what it reads, by key, so that the file can be checked
    sample(evidence, runs)          what each training run gives, or why it gives nothing
    over_runs(evidence, outcomes)   the ruling on a model, for kinds of which a model's runs are the units
    over_models(groups)             the ruling on a family, for kinds of which a family's models are the units

and is a pure function of the evidence. The set is closed: a new kind needs its rule in VERDICTS, not only a module.
Not here: gates, levels and subjects (decide.py).
"""
