"""Estimates and intervals over units (training runs, models, families), and how they are tested and forecast.

Numbers in, numbers out: what is claimed, and which units there are, is not known here. `regressions` alone starts from
evidence, since it computes a published analysis again.
"""
