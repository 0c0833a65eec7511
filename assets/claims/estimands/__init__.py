"""The kinds of estimand: what each claims, in which unit, by which keys of a claim file.

    kind         claims of                                       what is decided first, and its unit
    level        a quantity of each run: above, below or within  each run; the reading's unit
    contrast     the difference of two quantities, likewise      each run; the readings' unit
    conjunction  several levels at once, on the same head        each run
    order        two events: one before the other, or together   each run; steps from the first to the second
    onset_law    an event: as a law of the design predicts       each run; log10 of onset over prediction
    agreement    one choice in a model's runs: above or at       a model by its runs; chance-corrected agreement, or
                 chance, or identical                            correlation by head index
    similarity   trajectories of a model's runs: alike           a model by its runs; share of pairs
    association  two quantities over a model's runs              a model by its runs; rank correlation
    trend        a quantity over a property: rises, falls, flat  a family by its models; reading's unit per property
    separation   trajectories: tell neighbouring models apart    a family by its models; likeness within less between
    onset_trend  an event's date over a property: rises, falls   a family by its models; log10 steps or tokens
    onset_alike  an event's date in all models: within a factor  a family by its models; latest over earliest
    reliability  an instrument: passes its own checks            each run, then an architecture; change on retest

    level        of, direction, threshold, rule
    contrast     first, second, direction, threshold, rule
    conjunction  parts
    order        first and second (events), claimed, within
    onset_law    of (an event), clock, law (intercept, exponents), factor
    agreement    of, about, tolerance, claimed
    similarity   of, statistic, threshold, share
    association  first, second
    trend        of, over, scale, direction
    separation   of, statistic, over, threshold
    onset_trend  of (an event), clock, over, scale, direction
    onset_alike  of (an event), clock, factor, recipe
    reliability  of, retest, known_mean, known_best, controls, placebo, placebo_best

Rules: each run by its interval against the threshold, or by disjoint intervals of events, then over a model's runs in
every one (Clopper-Pearson) or on their mean (t); a family by all its decided models agreeing, or by the t(k-2) interval
of a slope. Equivalence (90 % interval inside the bounds, two one-sided tests) is no kind, but a mode of several, in the
same unit: level and contrast with direction: within and rule: mean (bound: threshold), trend with direction: flat and
agreement with claimed: at_chance (bound: the claim's delta).

`of`, `first` and `second` are readings (reading/readings.py), or events (reading/events.py): a reading, with `passes`
(a threshold, to stay) or `largest` (rise or drop between neighbouring checkpoints, of more than `exceeding`). An event
is dated by the interval between two checkpoints, and what is claimed of it must be so wherever in its interval it lies.

A claim's `estimand.kind` names one. Each kind is a module and offers

    readings()                       what it reads, by key, so that the file can be checked
    sample(evidence, runs)           what each training run gives, or why it gives nothing
    over_runs(evidence, outcomes)    the ruling on a model, for kinds of which a model's runs are the units
    over_models(evidence, units)     the ruling on a family, for kinds of which a family's models are the units

and is a pure function of the evidence. The set is closed: a new kind needs its rule in VERDICTS, not only a module.
Not here: gates, levels and subjects (decide.py).
"""
