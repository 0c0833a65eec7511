"""What a claim reads: from rows of the view `evidence` to a number, a trajectory or a date per training run.

    readings    what a claim file asks for           scores      scores of heads, their summaries and intervals
    events      when in training: what is asked      choosing    the head or edge that other readings find best
    evidence    the rows, and which variant is read  summaries   quantities of a trajectory
                                                     onsets      when something happened, as an interval

Not here: what is claimed of it (estimands/), intervals over runs (statistics/).
"""
