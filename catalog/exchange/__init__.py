"""The catalog in other people's formats: files to hand on, made of the published catalog alone.

    folders.py          a new folder that is there whole or not at all
    tables.py           tables and main views as Parquet or CSV
    datapackage.py      their description as a Frictionless Data Package
    every_eval_ever.py  results on behaviour as Every Eval Ever records
    release.py          a folder to publish: data, description, citation, checksums

Not here: reading others' files into the record (assets/published), what the tables are (catalog/schema.sql).
"""
