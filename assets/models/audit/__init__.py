"""Auditing a study's checkpoints by what a hub says of them: nothing is downloaded.

    auditing.py   one audit of a study
    looking.py    asks the hub which revisions exist and what their files hash to
    holdings.py   what it said, by training run; bytes and hashes as the record would have them
    findings.py   what is wrong with that: identical, missing, no_weights, differs_from_main
    advising.py   which measurements must not count because of it
    recording.py  findings and advisories as entries of the record

Not here: fetching (models/sources/hub.py), the requests themselves (models/hub/listing.py).
"""
