"""A catalog of 100 training runs x 20 checkpoints x 300 heads: every page stays under 2 MB."""

from __future__ import annotations

import duckdb
import pytest

from catalog.measured import SCHEMA, add_measurements
from catalog.read import open_catalog
from reports import site

pytestmark = pytest.mark.slow
MADE = """
INSERT INTO sources BY NAME SELECT 'us' AS source_id, 'measured' AS kind, 1 AS since_build;
INSERT INTO families BY NAME SELECT 'large' AS family_id, 'natural' AS role, 1 AS since_build;
INSERT INTO models BY NAME
    SELECT 'large-model' AS model_id, 'large' AS family_id, 400000000 AS n_params, 12 AS n_layers, 25 AS n_heads,
        1 AS since_build;
INSERT INTO training_runs BY NAME
    SELECT format('large-model-seed{}', i) AS run_id, 'large-model' AS model_id, i AS seed, 1 AS since_build
    FROM range(100) AS r(i);
INSERT INTO checkpoints BY NAME
    SELECT format('{}@step{}', run_id, 100 * k) AS checkpoint_id, run_id, format('step{}', 100 * k) AS label,
        100 * k AS step, 100 * k * 2097152 AS tokens_seen, k = 19 AS is_final, 'available' AS availability,
        run_id || k AS weights_sha256, 1 AS since_build
    FROM training_runs, range(20) AS c(k);
INSERT INTO metrics BY NAME
    SELECT unnest(['prefix_matching', 'prefix_matching_placebo', 'previous_token', 'first_token', 'attribution'])
            AS metric_id,
        unnest(['induction', 'induction', 'previous_token', 'sink', 'induction']) AS construct,
        unnest(['attention', 'attention', 'attention', 'attention', 'intervention']) AS method,
        'head' AS grain, 'probability' AS unit, TRUE AS has_excess, 'a definition' AS definition,
        1 AS definition_version, 1 AS since_build;
INSERT INTO metric_variants BY NAME
    SELECT metric_id || '.n-50' AS variant_id, metric_id, '{"n":50}' AS parameters, metric_id AS label,
        TRUE AS is_default, 1 AS since_build
    FROM metrics;
INSERT INTO probe_runs BY NAME
    SELECT 'p.' || checkpoint_id AS probe_run_id, checkpoint_id, weights_sha256, 'attention' AS probe,
        1 AS probe_version, '{}' AS parameters, 'measured' AS provenance, 'us' AS source_id, 'ok' AS status,
        'float32' AS dtype, TIMESTAMP '2026-11-22' AS recorded_at, checkpoint_id AS cache_key, 1500 AS n_rows,
        1 AS since_build
    FROM checkpoints;
"""
VALUES = """
SELECT p.probe_run_id, v.variant_id, v.metric_id, p.checkpoint_id, l.layer, h.head, '' AS stratum,
    hash(v.metric_id, c.run_id, l.layer, h.head) % 1000 / 1000 * c.step / 1900 AS value, value AS value_a,
    value AS value_b, 0.01 AS chance, 0.001 AS standard_error, 64 AS n
FROM probe_runs AS p
JOIN checkpoints AS c USING (checkpoint_id), metric_variants AS v, range(12) AS l(layer), range(25) AS h(head)
ORDER BY ALL
"""


@pytest.fixture
def large(empty_home):
    with duckdb.connect(str(empty_home.catalog)) as connection:
        connection.execute(MADE)
        made = connection.sql(f"FROM (FROM measurements LIMIT 0) UNION ALL BY NAME SELECT * FROM ({VALUES})").pl()
        add_measurements(connection, made.select(SCHEMA.keys()))
    return empty_home


def test_pages_of_a_large_catalog_stay_small(large):
    with open_catalog(large) as catalog:
        assert catalog.sql("SELECT count(*) FROM evidence").fetchall() == [(100 * 20 * 300 * 5,)]
        made = site.render(catalog)

    sizes = {path: len(content) for path, content in made.items() if path.endswith(".html")}
    assert {path: size for path, size in sizes.items() if size >= 2_000_000} == {}
    assert len([path for path in sizes if path.startswith("models/large-model/")]) == 100
    run = made["models/large-model/large-model-seed99.html"]
    assert b'max="19"' in run
    assert run.count(b'"h":24,"l":11') == 3
