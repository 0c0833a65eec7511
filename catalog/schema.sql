-- The catalog's tables: the product's public interface.
-- Names are a contract (changed only with SCHEMA_VERSION in catalog/record.py and a migration). Each table and column
-- carries a COMMENT; a test fails where one is missing. `KEY:` at the head of a table's comment names the columns whose
-- combination is unique; `-> table.column` in a column's comment names the row that must exist. catalog/build.py checks
-- both with SQL at every build, since primary keys double a big table and foreign keys slow loads.
-- Measured values are many, so they are stored narrow, in schema `storage`: no part of the contract, which is the view
-- `measurements`.
-- Views and macros stand in views/*.sql, a file each.

CREATE TABLE schema_info (
    schema_version INTEGER NOT NULL,
    build INTEGER NOT NULL,
    built_at TIMESTAMP NOT NULL,
    code_version VARCHAR NOT NULL,
    record_digest VARCHAR NOT NULL
);
COMMENT ON TABLE schema_info IS 'KEY: build. One row: what this file is and which build of the record it shows.';
COMMENT ON COLUMN schema_info.schema_version IS 'Version of these tables; a file of another version is rebuilt from the record.';
COMMENT ON COLUMN schema_info.build IS 'Number of the build that this file shows. -> builds.build';
COMMENT ON COLUMN schema_info.built_at IS 'When that build was made, UTC.';
COMMENT ON COLUMN schema_info.code_version IS 'Version of the project that made the build.';
COMMENT ON COLUMN schema_info.record_digest IS 'sha256 over all entries of all builds: equal digests, equal content.';

CREATE TABLE builds (
    build INTEGER NOT NULL,
    built_at TIMESTAMP NOT NULL,
    n_entries INTEGER NOT NULL,
    digest VARCHAR NOT NULL
);
COMMENT ON TABLE builds IS 'KEY: build. One row per publication of the catalog; since_build elsewhere refers to it.';
COMMENT ON COLUMN builds.build IS 'Number of the build, 1, 2, 3, ...';
COMMENT ON COLUMN builds.built_at IS 'When it was made, UTC; informs only, since_build decides what is current.';
COMMENT ON COLUMN builds.n_entries IS 'Entries of the record that this build added.';
COMMENT ON COLUMN builds.digest IS 'sha256 over this and all earlier builds'' entries.';

CREATE TABLE studies (
    study_id VARCHAR NOT NULL,
    content JSON NOT NULL,
    file_sha256 VARCHAR NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE studies IS 'KEY: study_id, since_build. Study files as they were run: a choice of families, probes and claims.';
COMMENT ON COLUMN studies.study_id IS 'Name of the study.';
COMMENT ON COLUMN studies.content IS 'The validated study, JSON; of absolute paths the last part only.';
COMMENT ON COLUMN studies.file_sha256 IS 'sha256 of that content: comments and layout of the file change nothing.';
COMMENT ON COLUMN studies.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE sources (
    source_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    citation VARCHAR,
    url VARCHAR,
    commit_sha VARCHAR,
    licence VARCHAR,
    may_redistribute BOOLEAN,
    known_on DATE,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE sources IS 'KEY: source_id. Where measurements come from: our own instruments, and published repositories with their citation.';
COMMENT ON COLUMN sources.source_id IS 'Id of the source: this project, or an importer''s name.';
COMMENT ON COLUMN sources.kind IS 'measured or published.';
COMMENT ON COLUMN sources.citation IS 'How to cite it.';
COMMENT ON COLUMN sources.url IS 'Where it is to be had.';
COMMENT ON COLUMN sources.commit_sha IS 'Commit of a repository that was read, null where unknown.';
COMMENT ON COLUMN sources.licence IS 'SPDX id, or none where the source states none.';
COMMENT ON COLUMN sources.may_redistribute IS 'Whether its values may be handed on.';
COMMENT ON COLUMN sources.known_on IS 'Day on which the source became public.';
COMMENT ON COLUMN sources.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE families (
    family_id VARCHAR NOT NULL,
    organisation VARCHAR,
    role VARCHAR NOT NULL,
    description VARCHAR,
    url VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE families IS 'KEY: family_id. Models that share a recipe.';
COMMENT ON COLUMN families.family_id IS 'Id of the family: pythia.';
COMMENT ON COLUMN families.organisation IS 'Who trained it.';
COMMENT ON COLUMN families.role IS 'natural, calibration (the instrument''s known answers) or control (known to lack the thing). Only natural families are evidence across families.';
COMMENT ON COLUMN families.description IS 'What the family is, in a sentence or two.';
COMMENT ON COLUMN families.url IS 'Where to read about it.';
COMMENT ON COLUMN families.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE models (
    model_id VARCHAR NOT NULL,
    family_id VARCHAR NOT NULL,
    parent_model_id VARCHAR,
    released_on DATE,
    n_params BIGINT,
    n_params_non_embedding BIGINT,
    n_layers INTEGER,
    n_heads INTEGER,
    n_kv_heads INTEGER,
    d_model INTEGER,
    d_head INTEGER,
    vocab_size INTEGER,
    context_length INTEGER,
    architecture VARCHAR,
    positional_encoding VARCHAR,
    normalization VARCHAR,
    activation VARCHAR,
    attention VARCHAR,
    tied_embeddings BOOLEAN,
    parallel_blocks BOOLEAN,
    adds_bos BOOLEAN,
    precision VARCHAR,
    training_tokens BIGINT,
    training_data VARCHAR,
    tuning VARCHAR,
    licence VARCHAR,
    properties JSON,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE models IS 'KEY: model_id. One configuration of a family, with its design properties: reference classes are predicates over these columns. Null = not known.';
COMMENT ON COLUMN models.model_id IS 'Id of the model: pythia-70m. Other bytes (quantised, tuned) are another model.';
COMMENT ON COLUMN models.family_id IS 'Its family. -> families.family_id';
COMMENT ON COLUMN models.parent_model_id IS 'The model it was derived from (tuned, quantised, a later stage) or is a variant of (the same configuration on other data), whether or not that one is in the catalog.';
COMMENT ON COLUMN models.released_on IS 'Day of its public release.';
COMMENT ON COLUMN models.n_params IS 'All trainable parameters, embeddings included, tied ones once.';
COMMENT ON COLUMN models.n_params_non_embedding IS 'The same without token and learned position embeddings and without an untied unembedding.';
COMMENT ON COLUMN models.n_layers IS 'Number of blocks.';
COMMENT ON COLUMN models.n_heads IS 'Query heads per layer (the largest, where layers differ: see layers).';
COMMENT ON COLUMN models.n_kv_heads IS 'Key and value heads per layer.';
COMMENT ON COLUMN models.d_model IS 'Width of the residual stream.';
COMMENT ON COLUMN models.d_head IS 'Width of one head.';
COMMENT ON COLUMN models.vocab_size IS 'Rows of the embedding.';
COMMENT ON COLUMN models.context_length IS 'Longest context, tokens.';
COMMENT ON COLUMN models.architecture IS 'transformers'' model_type: gpt_neox, llama.';
COMMENT ON COLUMN models.positional_encoding IS 'rotary, learned, alibi, none, ...';
COMMENT ON COLUMN models.normalization IS 'layernorm or rmsnorm.';
COMMENT ON COLUMN models.activation IS 'Activation function of the MLP.';
COMMENT ON COLUMN models.attention IS 'softmax, none, or hybrid: the kind of token mixing.';
COMMENT ON COLUMN models.tied_embeddings IS 'Whether embedding and unembedding are one matrix.';
COMMENT ON COLUMN models.parallel_blocks IS 'Whether attention and MLP read the same input.';
COMMENT ON COLUMN models.adds_bos IS 'Whether its tokenizer puts a BOS token in front.';
COMMENT ON COLUMN models.precision IS 'Of the stored weights: float32, float16, bfloat16, q4_1.';
COMMENT ON COLUMN models.training_tokens IS 'Tokens seen in training, in all.';
COMMENT ON COLUMN models.training_data IS 'Name of the training data.';
COMMENT ON COLUMN models.tuning IS 'base, or how it was tuned: instruct.';
COMMENT ON COLUMN models.licence IS 'SPDX id.';
COMMENT ON COLUMN models.properties IS 'Further properties, among them batch_size (training sequences in a step) and sequence_length (tokens of one), and the source of each stated fact, JSON.';
COMMENT ON COLUMN models.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE layers (
    model_id VARCHAR NOT NULL,
    layer INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    n_heads INTEGER,
    n_kv_heads INTEGER,
    "window" INTEGER,
    has_sink BOOLEAN,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE layers IS 'KEY: model_id, layer. What each block of a model attends with.';
COMMENT ON COLUMN layers.model_id IS 'The model. -> models.model_id';
COMMENT ON COLUMN layers.layer IS 'Number of the layer, 0-based.';
COMMENT ON COLUMN layers.kind IS 'full, sliding, linear or none.';
COMMENT ON COLUMN layers.n_heads IS 'Query heads.';
COMMENT ON COLUMN layers.n_kv_heads IS 'Key and value heads.';
COMMENT ON COLUMN layers."window" IS 'Keys that a query can see in a sliding layer, itself included; null = all earlier ones.';
COMMENT ON COLUMN layers.has_sink IS 'Whether it has a learned sink that takes a share of each row.';
COMMENT ON COLUMN layers.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE training_runs (
    run_id VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    seed INTEGER,
    init_seed INTEGER,
    data_seed INTEGER,
    parent_checkpoint_id VARCHAR,
    released_on DATE,
    description VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE training_runs IS 'KEY: run_id. One training of a model: the unit of replication.';
COMMENT ON COLUMN training_runs.run_id IS 'Id of the training run: pythia-70m-seed3.';
COMMENT ON COLUMN training_runs.model_id IS 'Its model. -> models.model_id';
COMMENT ON COLUMN training_runs.seed IS 'The seed, where one number names the run.';
COMMENT ON COLUMN training_runs.init_seed IS 'Seed of the initialisation, where it is known apart.';
COMMENT ON COLUMN training_runs.data_seed IS 'Seed of the data order, where it is known apart.';
COMMENT ON COLUMN training_runs.parent_checkpoint_id IS 'Checkpoint that the run started from, null for random weights.';
COMMENT ON COLUMN training_runs.released_on IS 'Day of its public release, where it differs from the model''s.';
COMMENT ON COLUMN training_runs.description IS 'What is special about the run.';
COMMENT ON COLUMN training_runs.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE checkpoints (
    checkpoint_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    label VARCHAR NOT NULL,
    step BIGINT,
    tokens_seen BIGINT,
    is_final BOOLEAN NOT NULL,
    availability VARCHAR NOT NULL,
    weights_sha256 VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE checkpoints IS 'KEY: checkpoint_id. The weights of a training run at one step: the unit of work.';
COMMENT ON COLUMN checkpoints.checkpoint_id IS 'run id, @, the revision''s own label: pythia-70m-seed3@step1000.';
COMMENT ON COLUMN checkpoints.run_id IS 'Its training run. -> training_runs.run_id';
COMMENT ON COLUMN checkpoints.label IS 'The revision''s own label.';
COMMENT ON COLUMN checkpoints.step IS 'Optimiser steps taken, 0 = initialisation; null where unknown.';
COMMENT ON COLUMN checkpoints.tokens_seen IS 'Training tokens seen up to here; null where unknown.';
COMMENT ON COLUMN checkpoints.is_final IS 'Whether it is the last one of its run.';
COMMENT ON COLUMN checkpoints.availability IS 'available, published_only (others measured it, we hold no weights), missing or refused.';
COMMENT ON COLUMN checkpoints.weights_sha256 IS 'The current weights; history in checkpoint_weights. Null where we hold none.';
COMMENT ON COLUMN checkpoints.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE checkpoint_weights (
    checkpoint_id VARCHAR NOT NULL,
    weights_sha256 VARCHAR NOT NULL,
    config_sha256 VARCHAR NOT NULL,
    tokenizer_sha256 VARCHAR,
    source VARCHAR NOT NULL,
    location VARCHAR,
    revision VARCHAR,
    commit_sha VARCHAR,
    format VARCHAR NOT NULL,
    precision VARCHAR,
    bytes BIGINT,
    fetched_at TIMESTAMP,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE checkpoint_weights IS 'KEY: checkpoint_id, since_build. Which bytes stood behind a checkpoint, since when.';
COMMENT ON COLUMN checkpoint_weights.checkpoint_id IS 'The checkpoint. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN checkpoint_weights.weights_sha256 IS 'sha256 over the weight files.';
COMMENT ON COLUMN checkpoint_weights.config_sha256 IS 'sha256 of the canonical configuration.';
COMMENT ON COLUMN checkpoint_weights.tokenizer_sha256 IS 'sha256 over the tokenizer files; null where the model has none.';
COMMENT ON COLUMN checkpoint_weights.source IS 'Kind of source: calibration, gguf, local, hub.';
COMMENT ON COLUMN checkpoint_weights.location IS 'Repository, package file or folder name; never an absolute path.';
COMMENT ON COLUMN checkpoint_weights.revision IS 'Revision asked for, or the recipe''s digest.';
COMMENT ON COLUMN checkpoint_weights.commit_sha IS 'Commit that the revision resolved to.';
COMMENT ON COLUMN checkpoint_weights.format IS 'safetensors or gguf.';
COMMENT ON COLUMN checkpoint_weights.precision IS 'Of the stored weights.';
COMMENT ON COLUMN checkpoint_weights.bytes IS 'Size of the weight files, bytes.';
COMMENT ON COLUMN checkpoint_weights.fetched_at IS 'When they were fetched or made, UTC.';
COMMENT ON COLUMN checkpoint_weights.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE metrics (
    metric_id VARCHAR NOT NULL,
    construct VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    grain VARCHAR NOT NULL,
    unit VARCHAR NOT NULL,
    lower DOUBLE,
    upper DOUBLE,
    has_excess BOOLEAN NOT NULL,
    chance_rule VARCHAR,
    definition VARCHAR NOT NULL,
    definition_version INTEGER NOT NULL,
    citation VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE metrics IS 'KEY: metric_id. Operational definitions. Two formulas that the literature calls by one name are two metrics.';
COMMENT ON COLUMN metrics.metric_id IS 'Id of the metric: prefix_matching.';
COMMENT ON COLUMN metrics.construct IS 'What it is meant to measure: induction, previous_token, sink, copying.';
COMMENT ON COLUMN metrics.method IS 'attention, weights, intervention, behaviour, representation or comparison.';
COMMENT ON COLUMN metrics.grain IS 'What one value is about: checkpoint, layer, head, edge, head_set or pair.';
COMMENT ON COLUMN metrics.unit IS 'Unit of the value: probability, nats, share, nats per token.';
COMMENT ON COLUMN metrics.lower IS 'Least possible value; null = unbounded.';
COMMENT ON COLUMN metrics.upper IS 'Greatest possible value; null = unbounded.';
COMMENT ON COLUMN metrics.has_excess IS 'Whether (value - chance)/(1 - chance) is meaningful for it.';
COMMENT ON COLUMN metrics.chance_rule IS 'How the chance level of a measurement is computed.';
COMMENT ON COLUMN metrics.definition IS 'The formula in words and symbols.';
COMMENT ON COLUMN metrics.definition_version IS 'Raised when the formula changes.';
COMMENT ON COLUMN metrics.citation IS 'Where the definition comes from.';
COMMENT ON COLUMN metrics.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE metric_variants (
    variant_id VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    parameters JSON NOT NULL,
    label VARCHAR NOT NULL,
    is_default BOOLEAN NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE metric_variants IS 'KEY: variant_id. A metric with the parameters that change what is measured. Variants are never pooled.';
COMMENT ON COLUMN metric_variants.variant_id IS 'The metric''s id and its parameters: prefix_matching.bos-false.input-repeated.m-2.n-50.';
COMMENT ON COLUMN metric_variants.metric_id IS 'The metric. -> metrics.metric_id';
COMMENT ON COLUMN metric_variants.parameters IS 'Canonical JSON: sorted keys, no spaces.';
COMMENT ON COLUMN metric_variants.label IS 'Short label for people.';
COMMENT ON COLUMN metric_variants.is_default IS 'Whether the instrument measures this variant by default for the models it was made for.';
COMMENT ON COLUMN metric_variants.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE probe_runs (
    probe_run_id VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    weights_sha256 VARCHAR,
    probe VARCHAR NOT NULL,
    probe_version INTEGER NOT NULL,
    parameters JSON NOT NULL,
    provenance VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    fault VARCHAR,
    sample_seed BIGINT,
    dtype VARCHAR,
    device VARCHAR,
    attention_implementation VARCHAR,
    notes JSON,
    versions JSON,
    started_at TIMESTAMP,
    duration_s DOUBLE,
    cpu_s DOUBLE,
    peak_memory_bytes BIGINT,
    recorded_at TIMESTAMP NOT NULL,
    known_on DATE,
    dagster_run_id VARCHAR,
    cache_key VARCHAR NOT NULL,
    path VARCHAR,
    file_sha256 VARCHAR,
    n_rows BIGINT NOT NULL,
    arrays_path VARCHAR,
    arrays_sha256 VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE probe_runs IS 'KEY: probe_run_id. One execution of a probe on a checkpoint, or one imported file of published measurements.';
COMMENT ON COLUMN probe_runs.probe_run_id IS 'Id of the execution.';
COMMENT ON COLUMN probe_runs.checkpoint_id IS 'The checkpoint measured. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN probe_runs.weights_sha256 IS 'The bytes measured; null for published values.';
COMMENT ON COLUMN probe_runs.probe IS 'Name of the probe or importer.';
COMMENT ON COLUMN probe_runs.probe_version IS 'Its version; raised when its numbers may change.';
COMMENT ON COLUMN probe_runs.parameters IS 'Canonical JSON of the parameters that it ran with.';
COMMENT ON COLUMN probe_runs.provenance IS 'measured or published; neither supersedes the other.';
COMMENT ON COLUMN probe_runs.source_id IS 'Where the values come from. -> sources.source_id';
COMMENT ON COLUMN probe_runs.status IS 'ok, failed or not_applicable. A failed execution supersedes nothing.';
COMMENT ON COLUMN probe_runs.reason IS 'Why it failed or is not applicable, in words.';
COMMENT ON COLUMN probe_runs.fault IS 'Of a failed execution: lasting (the same bytes fail again by the same code: not tried again until probe or libraries change) or passing (network, disk, memory, licence: tried again by the next run); null unless failed, and of failures recorded before faults were told apart, which are tried again.';
COMMENT ON COLUMN probe_runs.sample_seed IS 'Which draw of the random inputs: 0 is what evidence shows, 1 the retest on fresh ones; null for published values.';
COMMENT ON COLUMN probe_runs.dtype IS 'Precision of the computation.';
COMMENT ON COLUMN probe_runs.device IS 'cpu or cuda; not part of the identity.';
COMMENT ON COLUMN probe_runs.attention_implementation IS 'Which path read the attention: kernel, blocks or eager; not part of the identity.';
COMMENT ON COLUMN probe_runs.notes IS 'What the probe found out about itself, by name, JSON: row_sum_error, the largest deviation of a row of attention from a sum of one.';
COMMENT ON COLUMN probe_runs.versions IS 'Versions of torch, transformers and the project, JSON.';
COMMENT ON COLUMN probe_runs.started_at IS 'When it started, UTC.';
COMMENT ON COLUMN probe_runs.duration_s IS 'Wall time, seconds.';
COMMENT ON COLUMN probe_runs.cpu_s IS 'Processor time, seconds.';
COMMENT ON COLUMN probe_runs.peak_memory_bytes IS 'Peak resident memory of the process so far, bytes.';
COMMENT ON COLUMN probe_runs.recorded_at IS 'When the entry was written, UTC; informs only.';
COMMENT ON COLUMN probe_runs.known_on IS 'Day on which the values became public; null for our own.';
COMMENT ON COLUMN probe_runs.dagster_run_id IS 'The Dagster run that executed it.';
COMMENT ON COLUMN probe_runs.cache_key IS 'sha256 over all that decides the values: weights, config, tokenizer, probe, version, parameters, dtype, corpus, sample seed.';
COMMENT ON COLUMN probe_runs.path IS 'Its Parquet file inside the record; null where there are no rows.';
COMMENT ON COLUMN probe_runs.file_sha256 IS 'sha256 of that file.';
COMMENT ON COLUMN probe_runs.n_rows IS 'Measurements in that file.';
COMMENT ON COLUMN probe_runs.arrays_path IS 'Its safetensors file inside the record, which pair measures compare between runs; null where it has none.';
COMMENT ON COLUMN probe_runs.arrays_sha256 IS 'sha256 of that file.';
COMMENT ON COLUMN probe_runs.since_build IS 'Build that first held this row; the latest ok one per cache identity is current. -> builds.build';

CREATE SCHEMA storage;

CREATE TABLE storage.measured_variants (
    measured_id INTEGER NOT NULL,
    probe_run_id VARCHAR NOT NULL,
    variant_id VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    stratum VARCHAR NOT NULL,
    n_rows BIGINT NOT NULL,
    n_heads BIGINT NOT NULL,
    best_layer INTEGER,
    best_head INTEGER,
    best_value DOUBLE,
    best_chance DOUBLE,
    best_standard_error DOUBLE,
    second_value DOUBLE,
    mean_value DOUBLE,
    best_excess DOUBLE,
    n_heads_above BIGINT NOT NULL,
    chance DOUBLE
);
COMMENT ON TABLE storage.measured_variants IS 'KEY: measured_id. How the view measurements is stored: what one probe run measured of one variant and stratum, with a summary of its heads, which are the rows with a head and no sender. Derived from the rows of measured_values when they are added; read measurements, best_heads and trajectories instead.';
COMMENT ON COLUMN storage.measured_variants.measured_id IS 'Number of the row, in the order of adding: a rebuild may give another one.';
COMMENT ON COLUMN storage.measured_variants.probe_run_id IS 'Who measured it, when and how. -> probe_runs.probe_run_id';
COMMENT ON COLUMN storage.measured_variants.variant_id IS 'What was measured. -> metric_variants.variant_id';
COMMENT ON COLUMN storage.measured_variants.metric_id IS 'Its metric. -> metrics.metric_id';
COMMENT ON COLUMN storage.measured_variants.checkpoint_id IS 'What it was measured on. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN storage.measured_variants.stratum IS 'Part of the measurement that the values are about; empty = the whole.';
COMMENT ON COLUMN storage.measured_variants.n_rows IS 'Number of values.';
COMMENT ON COLUMN storage.measured_variants.n_heads IS 'Of them, heads.';
COMMENT ON COLUMN storage.measured_variants.best_layer IS 'Layer of the head with the highest value, the first of equal ones; null without heads.';
COMMENT ON COLUMN storage.measured_variants.best_head IS 'That head''s number in its layer.';
COMMENT ON COLUMN storage.measured_variants.best_value IS 'The highest value of a head.';
COMMENT ON COLUMN storage.measured_variants.best_chance IS 'Chance level of that head.';
COMMENT ON COLUMN storage.measured_variants.best_standard_error IS 'Standard error of that head.';
COMMENT ON COLUMN storage.measured_variants.second_value IS 'The second highest value of a head; null where there is one head.';
COMMENT ON COLUMN storage.measured_variants.mean_value IS 'Mean over heads.';
COMMENT ON COLUMN storage.measured_variants.best_excess IS 'The highest (value - chance)/(1 - chance) of a head, whether or not the metric has an excess.';
COMMENT ON COLUMN storage.measured_variants.n_heads_above IS 'Heads with that above .3.';
COMMENT ON COLUMN storage.measured_variants.chance IS 'Chance level of the heads, of any where they differ.';

CREATE TABLE storage.measured_values (
    measured_id INTEGER NOT NULL,
    layer INTEGER,
    head INTEGER,
    sender_layer INTEGER,
    sender_head INTEGER,
    value DOUBLE,
    value_a DOUBLE,
    value_b DOUBLE,
    chance DOUBLE,
    standard_error DOUBLE,
    n INTEGER
);
COMMENT ON TABLE storage.measured_values IS 'KEY: measured_id, layer, head, sender_layer, sender_head. How the view measurements is stored: the values themselves, in the order of measured_id; read measurements instead.';
COMMENT ON COLUMN storage.measured_values.measured_id IS 'Row of measured_variants that the value belongs to.';
COMMENT ON COLUMN storage.measured_values.layer IS 'Layer, 0-based; null where the value is not about one.';
COMMENT ON COLUMN storage.measured_values.head IS 'Query head, 0-based; null where the value is not about one.';
COMMENT ON COLUMN storage.measured_values.sender_layer IS 'Layer of the sending head of an edge, else null.';
COMMENT ON COLUMN storage.measured_values.sender_head IS 'Sending head of an edge, else null.';
COMMENT ON COLUMN storage.measured_values.value IS 'The value, in the metric''s unit: the mean over samples (token sequences).';
COMMENT ON COLUMN storage.measured_values.value_a IS 'The same over the even-numbered samples.';
COMMENT ON COLUMN storage.measured_values.value_b IS 'The same over the odd-numbered samples.';
COMMENT ON COLUMN storage.measured_values.chance IS 'What uniform attention (or the stated null) gives on the same input; null where there is none.';
COMMENT ON COLUMN storage.measured_values.standard_error IS 'Standard error over samples; null where it is unknown.';
COMMENT ON COLUMN storage.measured_values.n IS 'Number of samples.';

CREATE VIEW measurements AS
SELECT
    g.probe_run_id, g.variant_id, g.metric_id, g.checkpoint_id, v.layer, v.head, v.sender_layer, v.sender_head, g.stratum,
    v.value, v.value_a, v.value_b, v.chance, v.standard_error, v.n
FROM storage.measured_values AS v
JOIN storage.measured_variants AS g ON g.measured_id = v.measured_id;
COMMENT ON VIEW measurements IS 'KEY: probe_run_id, variant_id, layer, head, sender_layer, sender_head, stratum. Every value ever recorded, superseded ones included; read evidence or current_measurements first.';
COMMENT ON COLUMN measurements.probe_run_id IS 'Who measured it, when and how. -> probe_runs.probe_run_id';
COMMENT ON COLUMN measurements.variant_id IS 'What was measured. -> metric_variants.variant_id';
COMMENT ON COLUMN measurements.metric_id IS 'Its metric. -> metrics.metric_id';
COMMENT ON COLUMN measurements.checkpoint_id IS 'What it was measured on. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN measurements.layer IS 'Layer, 0-based; null where the value is not about one.';
COMMENT ON COLUMN measurements.head IS 'Query head, 0-based; null where the value is not about one.';
COMMENT ON COLUMN measurements.sender_layer IS 'Layer of the sending head of an edge, else null.';
COMMENT ON COLUMN measurements.sender_head IS 'Sending head of an edge, else null.';
COMMENT ON COLUMN measurements.stratum IS 'Part of the measurement that the value is about: offset=-1; empty = the whole.';
COMMENT ON COLUMN measurements.value IS 'The value, in the metric''s unit: the mean over samples (token sequences).';
COMMENT ON COLUMN measurements.value_a IS 'The same over the even-numbered samples.';
COMMENT ON COLUMN measurements.value_b IS 'The same over the odd-numbered samples.';
COMMENT ON COLUMN measurements.chance IS 'What uniform attention (or the stated null) gives on the same input; null where there is none.';
COMMENT ON COLUMN measurements.standard_error IS 'Standard error over samples; null where it is unknown.';
COMMENT ON COLUMN measurements.n IS 'Number of samples.';

CREATE TABLE pair_runs (
    pair_run_id VARCHAR NOT NULL,
    measure VARCHAR NOT NULL,
    measure_version INTEGER NOT NULL,
    subject VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR,
    inputs JSON NOT NULL,
    duration_s DOUBLE,
    recorded_at TIMESTAMP NOT NULL,
    path VARCHAR,
    file_sha256 VARCHAR,
    n_rows BIGINT NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE pair_runs IS 'KEY: pair_run_id. One execution of a pair measure on all pairs of training runs of a model; read current_pair_runs for the latest.';
COMMENT ON COLUMN pair_runs.pair_run_id IS 'Id of the execution: measure, model and a growing number.';
COMMENT ON COLUMN pair_runs.measure IS 'Name of the pair measure.';
COMMENT ON COLUMN pair_runs.measure_version IS 'Its version; raised when its numbers may change.';
COMMENT ON COLUMN pair_runs.subject IS 'The model whose training runs were compared. -> models.model_id';
COMMENT ON COLUMN pair_runs.status IS 'ok or not_applicable.';
COMMENT ON COLUMN pair_runs.reason IS 'Why it is not applicable, in words.';
COMMENT ON COLUMN pair_runs.inputs IS 'Digest of the evidence and the arrays compared, JSON: equal inputs are not compared again.';
COMMENT ON COLUMN pair_runs.duration_s IS 'Wall time, seconds.';
COMMENT ON COLUMN pair_runs.recorded_at IS 'When the entry was written, UTC; informs only.';
COMMENT ON COLUMN pair_runs.path IS 'Its Parquet file inside the record; null where there are no rows.';
COMMENT ON COLUMN pair_runs.file_sha256 IS 'sha256 of that file.';
COMMENT ON COLUMN pair_runs.n_rows IS 'Pair measurements in that file.';
COMMENT ON COLUMN pair_runs.since_build IS 'Build that first held this row; the latest per measure and subject is current. -> builds.build';

CREATE TABLE pair_measurements (
    pair_run_id VARCHAR NOT NULL,
    variant_id VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    checkpoint_a VARCHAR NOT NULL,
    checkpoint_b VARCHAR NOT NULL,
    layer INTEGER,
    stratum VARCHAR NOT NULL,
    value DOUBLE,
    chance DOUBLE,
    standard_error DOUBLE,
    n INTEGER
);
COMMENT ON TABLE pair_measurements IS 'KEY: pair_run_id, variant_id, checkpoint_a, checkpoint_b, layer, stratum. How alike two checkpoints are; read likeness first, which shows the values that count now.';
COMMENT ON COLUMN pair_measurements.pair_run_id IS 'Who compared them. -> pair_runs.pair_run_id';
COMMENT ON COLUMN pair_measurements.variant_id IS 'What was compared. -> metric_variants.variant_id';
COMMENT ON COLUMN pair_measurements.metric_id IS 'Its metric. -> metrics.metric_id';
COMMENT ON COLUMN pair_measurements.checkpoint_a IS 'One of the two; for whole training runs their last checkpoint. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN pair_measurements.checkpoint_b IS 'The other, later in the order of ids. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN pair_measurements.layer IS 'Layer, 0-based; null where the value is not about one.';
COMMENT ON COLUMN pair_measurements.stratum IS 'What the likeness is of: metric=previous_token; empty = the whole.';
COMMENT ON COLUMN pair_measurements.value IS 'The likeness or distance, in the metric''s unit.';
COMMENT ON COLUMN pair_measurements.chance IS 'What the metric''s own control gives: untrained models, other models, random heads, a rotated basis; null where it cannot be had.';
COMMENT ON COLUMN pair_measurements.standard_error IS 'Standard error; null where it is unknown.';
COMMENT ON COLUMN pair_measurements.n IS 'Number of things compared: heads, steps, features, samples.';

CREATE TABLE claims (
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    statement VARCHAR NOT NULL,
    axis VARCHAR NOT NULL,
    about VARCHAR NOT NULL,
    concreteness VARCHAR NOT NULL,
    citation VARCHAR NOT NULL,
    estimand JSON NOT NULL,
    criterion VARCHAR NOT NULL,
    criterion_fixed_at DATE NOT NULL,
    data_seen_before VARCHAR,
    reference_class VARCHAR NOT NULL,
    file_sha256 VARCHAR NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE claims IS 'KEY: claim_id, claim_version. Falsifiable statements with the rule that decides each; all versions are kept.';
COMMENT ON COLUMN claims.claim_id IS 'Id of the claim: prefix-matching-heads-exist.';
COMMENT ON COLUMN claims.claim_version IS 'Raised whenever its content changes.';
COMMENT ON COLUMN claims.statement IS 'The claim, as a sentence.';
COMMENT ON COLUMN claims.axis IS 'functional, developmental, positional, relational, configurational (Trott 2025) or behavioural.';
COMMENT ON COLUMN claims.about IS 'model or method.';
COMMENT ON COLUMN claims.concreteness IS 'token, linguistic or construct.';
COMMENT ON COLUMN claims.citation IS 'Who made the claim.';
COMMENT ON COLUMN claims.estimand IS 'What is estimated and how it is decided, with thresholds, JSON.';
COMMENT ON COLUMN claims.criterion IS 'The same in words.';
COMMENT ON COLUMN claims.criterion_fixed_at IS 'Day on which the criterion was fixed.';
COMMENT ON COLUMN claims.data_seen_before IS 'Which data had been seen by then; null = none. Verdicts on such data are exploratory.';
COMMENT ON COLUMN claims.reference_class IS 'Predicate over design properties: the models that the claim is about.';
COMMENT ON COLUMN claims.file_sha256 IS 'sha256 of the claim file.';
COMMENT ON COLUMN claims.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE evaluations (
    evaluation_id VARCHAR NOT NULL,
    of_build INTEGER NOT NULL,
    condition JSON NOT NULL,
    evaluated_at TIMESTAMP NOT NULL,
    code_version VARCHAR NOT NULL,
    decision_version INTEGER,
    inputs_digest VARCHAR NOT NULL,
    beside VARCHAR,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE evaluations IS 'KEY: evaluation_id. One deciding of all claims on the evidence of one build: as things stand, and beside that under conditions. Replayed at a rebuild, never decided anew.';
COMMENT ON COLUMN evaluations.evaluation_id IS 'Id of the evaluation.';
COMMENT ON COLUMN evaluations.of_build IS 'Build whose evidence it decided on. -> builds.build';
COMMENT ON COLUMN evaluations.condition IS 'Under which condition, JSON; {} = as things stand. released_by: models released by that day alone; known_by: values public by that day alone; with, without: as if the values that an advisory (its id) concerns counted, or did not.';
COMMENT ON COLUMN evaluations.evaluated_at IS 'When, UTC.';
COMMENT ON COLUMN evaluations.code_version IS 'Version of the project that decided.';
COMMENT ON COLUMN evaluations.decision_version IS 'Version of the rules of deciding; null where it was not noted.';
COMMENT ON COLUMN evaluations.inputs_digest IS 'sha256 over evidence, claims and decision code version: equal digests, equal verdicts.';
COMMENT ON COLUMN evaluations.beside IS 'Under a condition: the deciding as things stand that it was made with. Null where it is that one itself. -> evaluations.evaluation_id';
COMMENT ON COLUMN evaluations.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE verdicts (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    level VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    verdict VARCHAR NOT NULL,
    unit VARCHAR,
    estimate DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    pi_low DOUBLE,
    pi_high DOUBLE,
    tau DOUBLE,
    n_h INTEGER,
    n_f INTEGER,
    n_u INTEGER,
    n_runs INTEGER,
    n_models INTEGER,
    n_families INTEGER,
    robustness VARCHAR,
    exploratory BOOLEAN NOT NULL,
    flips_when JSON,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE verdicts IS 'KEY: evaluation_id, claim_id, level, subject. What was decided, by evaluation; current_verdicts has the latest.';
COMMENT ON COLUMN verdicts.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN verdicts.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN verdicts.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN verdicts.level IS 'run, model, architecture (claims about instruments), family or across.';
COMMENT ON COLUMN verdicts.subject IS 'run_id, model_id, architecture or family_id; all at level across.';
COMMENT ON COLUMN verdicts.verdict IS 'holds, fails, mixed, inconclusive, insufficient or not_applicable.';
COMMENT ON COLUMN verdicts.unit IS 'Unit of the estimate.';
COMMENT ON COLUMN verdicts.estimate IS 'Point estimate of the claim''s quantity.';
COMMENT ON COLUMN verdicts.ci_low IS 'Lower end of its 95 % interval (90 % where the reason says equivalence).';
COMMENT ON COLUMN verdicts.ci_high IS 'Upper end.';
COMMENT ON COLUMN verdicts.pi_low IS 'Lower end of the 95 % prediction interval for a new unit.';
COMMENT ON COLUMN verdicts.pi_high IS 'Upper end.';
COMMENT ON COLUMN verdicts.tau IS 'Standard deviation between units, in the unit.';
COMMENT ON COLUMN verdicts.n_h IS 'Units on which the claim holds.';
COMMENT ON COLUMN verdicts.n_f IS 'Units on which it fails.';
COMMENT ON COLUMN verdicts.n_u IS 'Undecided units.';
COMMENT ON COLUMN verdicts.n_runs IS 'Training runs behind the verdict.';
COMMENT ON COLUMN verdicts.n_models IS 'Models behind it.';
COMMENT ON COLUMN verdicts.n_families IS 'Families behind it.';
COMMENT ON COLUMN verdicts.robustness IS 'robust, sensitive or fragile; null where it was not examined.';
COMMENT ON COLUMN verdicts.exploratory IS 'Whether the criterion was fixed after these data were seen.';
COMMENT ON COLUMN verdicts.flips_when IS 'What would flip the verdict, JSON.';
COMMENT ON COLUMN verdicts.reason IS 'Why, in one or two sentences.';

CREATE TABLE verdict_runs (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    level VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    outcome VARCHAR,
    estimate DOUBLE,
    standard_error DOUBLE,
    weight DOUBLE,
    variant_id VARCHAR,
    provenance VARCHAR,
    included BOOLEAN NOT NULL,
    reason VARCHAR
);
COMMENT ON TABLE verdict_runs IS 'KEY: evaluation_id, claim_id, level, subject, run_id. The training runs that a verdict rests on, and those left out with the reason.';
COMMENT ON COLUMN verdict_runs.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN verdict_runs.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN verdict_runs.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN verdict_runs.level IS 'Level of the verdict.';
COMMENT ON COLUMN verdict_runs.subject IS 'Subject of the verdict.';
COMMENT ON COLUMN verdict_runs.run_id IS 'The training run. -> training_runs.run_id';
COMMENT ON COLUMN verdict_runs.outcome IS 'h (holds), f (fails) or u (undecided) for this run; null where runs are not decided singly.';
COMMENT ON COLUMN verdict_runs.estimate IS 'The run''s own estimate of the claim''s quantity.';
COMMENT ON COLUMN verdict_runs.standard_error IS 'Its standard error over samples.';
COMMENT ON COLUMN verdict_runs.weight IS 'Its weight in the pooled estimate, summing to 1.';
COMMENT ON COLUMN verdict_runs.variant_id IS 'Variant of the first metric that the estimate used. -> metric_variants.variant_id';
COMMENT ON COLUMN verdict_runs.provenance IS 'measured or published.';
COMMENT ON COLUMN verdict_runs.included IS 'Whether it counted.';
COMMENT ON COLUMN verdict_runs.reason IS 'Why it came out so, or why it was left out.';

CREATE TABLE specifications (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    level VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    specification_id VARCHAR NOT NULL,
    dimensions JSON NOT NULL,
    verdict VARCHAR NOT NULL,
    estimate DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE
);
COMMENT ON TABLE specifications IS 'KEY: evaluation_id, claim_id, level, subject, specification_id. The same verdict under the claim''s other declared choices of threshold, summary or input.';
COMMENT ON COLUMN specifications.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN specifications.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN specifications.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN specifications.level IS 'Level of the verdict.';
COMMENT ON COLUMN specifications.subject IS 'Subject of the verdict.';
COMMENT ON COLUMN specifications.specification_id IS 'Id of the choice.';
COMMENT ON COLUMN specifications.dimensions IS 'What differs from the claim''s own choice, JSON.';
COMMENT ON COLUMN specifications.verdict IS 'The verdict under it.';
COMMENT ON COLUMN specifications.estimate IS 'The estimate under it.';
COMMENT ON COLUMN specifications.ci_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN specifications.ci_high IS 'Upper end.';

CREATE TABLE reference_classes (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    predicate VARCHAR NOT NULL,
    n_in INTEGER NOT NULL,
    n_out INTEGER NOT NULL,
    n_wrong INTEGER NOT NULL,
    p_separation DOUBLE,
    identifiable BOOLEAN NOT NULL,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE reference_classes IS 'KEY: evaluation_id, claim_id, predicate. For a claim that holds in some natural models and not in others: the predicates of one or two comparisons over design properties that tell them apart best, a second comparison counting as one wrong model. All that do so equally well are listed; they are aliases of each other. Models of one parent are one unit.';
COMMENT ON COLUMN reference_classes.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN reference_classes.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN reference_classes.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN reference_classes.predicate IS 'The class for which the claim holds, as it would stand in a claim file: n_layers >= 2. Empty where none was found, with the reason.';
COMMENT ON COLUMN reference_classes.n_in IS 'Decided units inside the class.';
COMMENT ON COLUMN reference_classes.n_out IS 'Decided units outside of it; those that it cannot place, since a property is not known, are in neither.';
COMMENT ON COLUMN reference_classes.n_wrong IS 'Units on the wrong side, or not to be placed: inside where it does not hold, outside where it holds.';
COMMENT ON COLUMN reference_classes.p_separation IS 'Share of random assignments of the same verdicts, dealt out by families, that some predicate tells apart as well, a second comparison counting as one wrong unit; null where no class was found.';
COMMENT ON COLUMN reference_classes.identifiable IS 'Whether there are at least 8 units and p_separation is at most .05.';
COMMENT ON COLUMN reference_classes.reason IS 'What that means, in a sentence or two.';

CREATE TABLE class_members (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    model_id VARCHAR NOT NULL,
    claimed BOOLEAN,
    inside BOOLEAN
);
COMMENT ON TABLE class_members IS 'KEY: evaluation_id, claim_id, model_id. Every model, measured or not, by the reference class that a claim states and by the one found for it. model_classes says what follows.';
COMMENT ON COLUMN class_members.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN class_members.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN class_members.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN class_members.model_id IS 'The model. -> models.model_id';
COMMENT ON COLUMN class_members.claimed IS 'Whether the claim is about it by its design, whatever was measured; null where a property is not known.';
COMMENT ON COLUMN class_members.inside IS 'Whether it is inside the class found, all aliases agreeing; null where they do not, where no class was found, or where the decided models do not tell: a property is not known, or lies between those inside and those outside.';

CREATE TABLE correspondences (
    evaluation_id VARCHAR NOT NULL,
    axis VARCHAR NOT NULL,
    construct VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    is_primary BOOLEAN NOT NULL,
    level VARCHAR NOT NULL,
    subject_a VARCHAR NOT NULL,
    subject_b VARCHAR NOT NULL,
    of_variant VARCHAR,
    value DOUBLE,
    chance DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    n_pairs INTEGER NOT NULL,
    reason VARCHAR
);
COMMENT ON TABLE correspondences IS 'KEY: evaluation_id, axis, construct, metric_id, level, subject_a, subject_b. How alike two things are on one axis, for one mechanism: models of a family, families. A subject with itself: a model''s own training runs, a family''s own models. Single pairs of training runs stand in the view likeness.';
COMMENT ON COLUMN correspondences.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN correspondences.axis IS 'functional, developmental, positional, relational or configurational.';
COMMENT ON COLUMN correspondences.construct IS 'The mechanism: induction, previous_token, sink.';
COMMENT ON COLUMN correspondences.metric_id IS 'The statistic of likeness. -> metrics.metric_id';
COMMENT ON COLUMN correspondences.is_primary IS 'Whether it speaks for the axis: such a row is there for every pair. Other statistics have rows only where they can be computed.';
COMMENT ON COLUMN correspondences.level IS 'model (two models of a family) or family.';
COMMENT ON COLUMN correspondences.subject_a IS 'model_id or family_id.';
COMMENT ON COLUMN correspondences.subject_b IS 'The other, later in the order of ids, or the same.';
COMMENT ON COLUMN correspondences.of_variant IS 'The measurements of heads that were compared; null where there are none, or several. -> metric_variants.variant_id';
COMMENT ON COLUMN correspondences.value IS 'Likeness, 1 = the same: the mean over pairs of training runs, of families over pairs of models; null where it cannot be computed.';
COMMENT ON COLUMN correspondences.chance IS 'What chance would give, by the rule that stands with the metric; of development: the mean with every third model of the family, or third family. Null where there is none.';
COMMENT ON COLUMN correspondences.ci_low IS 'Lower end of the 95 % interval, jackknife over training runs, of families over models; null where they are fewer than three or all alike.';
COMMENT ON COLUMN correspondences.ci_high IS 'Upper end.';
COMMENT ON COLUMN correspondences.n_pairs IS 'Pairs of training runs behind the value.';
COMMENT ON COLUMN correspondences.reason IS 'Why it cannot be computed, or what limits it, in words.';

CREATE TABLE held_out_predictions (
    evaluation_id VARCHAR NOT NULL,
    pool VARCHAR NOT NULL,
    variant_id VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    quantity VARCHAR NOT NULL,
    strategy VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    predicted DOUBLE,
    observed DOUBLE NOT NULL,
    error DOUBLE,
    reason VARCHAR
);
COMMENT ON TABLE held_out_predictions IS 'KEY: evaluation_id, pool, variant_id, quantity, strategy, model_id. Trees or the tree: a model left out, its final value predicted by each strategy.';
COMMENT ON COLUMN held_out_predictions.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN held_out_predictions.pool IS 'natural, or trained_here (calibration and control families): models of one pool say nothing about the other.';
COMMENT ON COLUMN held_out_predictions.variant_id IS 'What was predicted. -> metric_variants.variant_id';
COMMENT ON COLUMN held_out_predictions.metric_id IS 'Its metric. -> metrics.metric_id';
COMMENT ON COLUMN held_out_predictions.quantity IS 'What of it: best_head_final (the highest head''s value at the final checkpoint) or, for behaviour, final.';
COMMENT ON COLUMN held_out_predictions.strategy IS 'own_early (its last checkpoint in the first quarter of training, as if nothing changed), family (mean of its other models), all_families (mean of all others), partial_pooling (families drawn towards the mean of all, as far as they are alike) or own_early_and_partial_pooling.';
COMMENT ON COLUMN held_out_predictions.model_id IS 'The model left out. -> models.model_id';
COMMENT ON COLUMN held_out_predictions.predicted IS 'What the strategy predicts, within the metric''s range; null where it can say nothing.';
COMMENT ON COLUMN held_out_predictions.observed IS 'What was measured: the mean over the model''s training runs.';
COMMENT ON COLUMN held_out_predictions.error IS 'Absolute difference; null without a prediction.';
COMMENT ON COLUMN held_out_predictions.reason IS 'Why there is no prediction, in words.';

CREATE TABLE strategy_comparisons (
    evaluation_id VARCHAR NOT NULL,
    pool VARCHAR NOT NULL,
    variant_id VARCHAR NOT NULL,
    metric_id VARCHAR NOT NULL,
    quantity VARCHAR NOT NULL,
    strategy_a VARCHAR NOT NULL,
    strategy_b VARCHAR NOT NULL,
    n_models INTEGER NOT NULL,
    n_units INTEGER NOT NULL,
    "over" VARCHAR NOT NULL,
    mean_error_a DOUBLE,
    mean_error_b DOUBLE,
    difference DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    p DOUBLE,
    verdict VARCHAR NOT NULL,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE strategy_comparisons IS 'KEY: evaluation_id, pool, variant_id, quantity, strategy_a, strategy_b. Which strategy predicts held-out models better, paired over the models. Each metric is tested by itself, without correction for their number.';
COMMENT ON COLUMN strategy_comparisons.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN strategy_comparisons.pool IS 'natural, or trained_here (calibration and control families): models of one pool say nothing about the other.';
COMMENT ON COLUMN strategy_comparisons.variant_id IS 'What was predicted. -> metric_variants.variant_id';
COMMENT ON COLUMN strategy_comparisons.metric_id IS 'Its metric. -> metrics.metric_id';
COMMENT ON COLUMN strategy_comparisons.quantity IS 'What of it: best_head_final or final.';
COMMENT ON COLUMN strategy_comparisons.strategy_a IS 'The one compared.';
COMMENT ON COLUMN strategy_comparisons.strategy_b IS 'The one that it is compared with.';
COMMENT ON COLUMN strategy_comparisons.n_models IS 'Held-out models that both predicted.';
COMMENT ON COLUMN strategy_comparisons.n_units IS 'Units of the test.';
COMMENT ON COLUMN strategy_comparisons."over" IS 'What they are: family (errors averaged over its models, which err alike) or, in a pool of one family, model.';
COMMENT ON COLUMN strategy_comparisons.mean_error_a IS 'Mean absolute error of strategy_a over the units.';
COMMENT ON COLUMN strategy_comparisons.mean_error_b IS 'The same of strategy_b.';
COMMENT ON COLUMN strategy_comparisons.difference IS 'Mean of error_a less error_b: negative where strategy_a is better.';
COMMENT ON COLUMN strategy_comparisons.ci_low IS 'Lower end of its 95 % interval over the units.';
COMMENT ON COLUMN strategy_comparisons.ci_high IS 'Upper end.';
COMMENT ON COLUMN strategy_comparisons.p IS 'Two-sided sign-flip permutation p over the units; exact up to 14 of them.';
COMMENT ON COLUMN strategy_comparisons.verdict IS 'a_better or b_better where p is at most .05, else cannot_tell.';
COMMENT ON COLUMN strategy_comparisons.reason IS 'The same in a sentence.';

CREATE TABLE predictions (
    prediction_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    subject VARCHAR NOT NULL,
    of_build INTEGER NOT NULL,
    level VARCHAR NOT NULL,
    probability DOUBLE,
    base_rate DOUBLE,
    last_probability DOUBLE,
    variant_id VARCHAR,
    unit VARCHAR,
    estimate DOUBLE,
    pi_low DOUBLE,
    pi_high DOUBLE,
    base_estimate DOUBLE,
    last_estimate DOUBLE,
    basis VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE predictions IS 'KEY: prediction_id. What the claims expect of a model, frozen before it is measured; read prediction_record for how it did. A row without numbers says why nothing is expected.';
COMMENT ON COLUMN predictions.prediction_id IS 'Id of the prediction: claim, version and model.';
COMMENT ON COLUMN predictions.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN predictions.claim_version IS 'Its version.';
COMMENT ON COLUMN predictions.subject IS 'The model predicted. -> models.model_id';
COMMENT ON COLUMN predictions.of_build IS 'Build whose evidence it was made from.';
COMMENT ON COLUMN predictions.level IS 'What it is about: run (one training run of the model) or, where claims are not decided by runs, model.';
COMMENT ON COLUMN predictions.probability IS 'Probability that the claim holds in it, were it decided; null where the claim is not decided so (trends).';
COMMENT ON COLUMN predictions.base_rate IS 'Mean over the models so far of the share in which the claim holds (natural models, or those trained here, as the subject is): what skill is measured against.';
COMMENT ON COLUMN predictions.last_probability IS 'That share in the next smaller model of the family: the forecast `same as the last size`.';
COMMENT ON COLUMN predictions.variant_id IS 'What the quantity was read from. -> metric_variants.variant_id';
COMMENT ON COLUMN predictions.unit IS 'Unit of the quantity.';
COMMENT ON COLUMN predictions.estimate IS 'Expected value of the claim''s quantity.';
COMMENT ON COLUMN predictions.pi_low IS 'Lower end of the 95 % prediction interval for it in one training run (or the model).';
COMMENT ON COLUMN predictions.pi_high IS 'Upper end.';
COMMENT ON COLUMN predictions.base_estimate IS 'Its mean over the models that the estimate rests on: what the estimate must beat.';
COMMENT ON COLUMN predictions.last_estimate IS 'Its mean in the next smaller model of the family.';
COMMENT ON COLUMN predictions.basis IS 'What the prediction rests on, or why there is none, in words.';
COMMENT ON COLUMN predictions.made_at IS 'When it was frozen, UTC; informs only.';
COMMENT ON COLUMN predictions.since_build IS 'Build that first held this row: earlier than the first that holds a measurement of the model, as the check predictions_precede_measurements makes sure. -> builds.build';

CREATE TABLE prediction_scores (
    prediction_id VARCHAR NOT NULL,
    evaluation_id VARCHAR NOT NULL,
    n_scored INTEGER NOT NULL,
    outcome DOUBLE,
    brier DOUBLE,
    base_brier DOUBLE,
    last_brier DOUBLE,
    observed DOUBLE,
    covered DOUBLE,
    squared_error DOUBLE,
    base_squared_error DOUBLE,
    last_squared_error DOUBLE,
    skill DOUBLE,
    skill_over_last DOUBLE
);
COMMENT ON TABLE prediction_scores IS 'KEY: prediction_id, evaluation_id. How frozen predictions did once the model was measured; no row before, nor where nothing was predicted.';
COMMENT ON COLUMN prediction_scores.prediction_id IS 'The prediction. -> predictions.prediction_id';
COMMENT ON COLUMN prediction_scores.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN prediction_scores.n_scored IS 'Decided training runs of the model (at level model: 1).';
COMMENT ON COLUMN prediction_scores.outcome IS 'Share of them in which the claim holds, undecided ones left out; null where that was not predicted.';
COMMENT ON COLUMN prediction_scores.brier IS 'Mean squared difference of probability and outcome (0 or 1).';
COMMENT ON COLUMN prediction_scores.base_brier IS 'The same of the base rate.';
COMMENT ON COLUMN prediction_scores.last_brier IS 'The same of `same as the last size`.';
COMMENT ON COLUMN prediction_scores.observed IS 'Mean of the claim''s quantity, by the variant that was predicted.';
COMMENT ON COLUMN prediction_scores.covered IS 'Share of them inside the prediction interval.';
COMMENT ON COLUMN prediction_scores.squared_error IS 'Mean squared difference of estimate and quantity.';
COMMENT ON COLUMN prediction_scores.base_squared_error IS 'The same of base_estimate.';
COMMENT ON COLUMN prediction_scores.last_squared_error IS 'The same of last_estimate.';
COMMENT ON COLUMN prediction_scores.skill IS '1 - brier / base_brier, or without a probability 1 - squared_error / base_squared_error: above 0 is better than the base. Null where the base makes no error.';
COMMENT ON COLUMN prediction_scores.skill_over_last IS 'The same against `same as the last size`.';

CREATE TABLE claim_tests (
    evaluation_id VARCHAR NOT NULL,
    claim_id VARCHAR NOT NULL,
    claim_version INTEGER NOT NULL,
    n_tested INTEGER NOT NULL,
    failed BOOLEAN NOT NULL,
    model_id VARCHAR,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE claim_tests IS 'KEY: evaluation_id, claim_id. How many natural models each claim was tested on, in the order of release, until the first on which it fails.';
COMMENT ON COLUMN claim_tests.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN claim_tests.claim_id IS 'The claim. -> claims.claim_id';
COMMENT ON COLUMN claim_tests.claim_version IS 'Its version at that time.';
COMMENT ON COLUMN claim_tests.n_tested IS 'Models tested, up to the first failure; models of one parent are one. 0 = it was tested on none, or is not decided model by model.';
COMMENT ON COLUMN claim_tests.failed IS 'Whether it fails on the last of these; else it had survived them all.';
COMMENT ON COLUMN claim_tests.model_id IS 'The model on which it fails, or the last one tested. -> models.model_id';
COMMENT ON COLUMN claim_tests.reason IS 'The models and what came of each, in words.';

CREATE TABLE survival (
    evaluation_id VARCHAR NOT NULL,
    n_tested INTEGER NOT NULL,
    n_at_risk INTEGER NOT NULL,
    n_events INTEGER NOT NULL,
    survival DOUBLE,
    ci_low DOUBLE,
    ci_high DOUBLE,
    reason VARCHAR NOT NULL
);
COMMENT ON TABLE survival IS 'KEY: evaluation_id, n_tested. Survival of claims over the models that they were tested on, in the order of release (Kaplan-Meier); one row that says so where there are too few failures.';
COMMENT ON COLUMN survival.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN survival.n_tested IS 'Models tested so far; 0 = the beginning.';
COMMENT ON COLUMN survival.n_at_risk IS 'Claims that were tested on so many models and had not failed before.';
COMMENT ON COLUMN survival.n_events IS 'Of these, those that failed at this one; in the row n_tested = 0, those that failed at all.';
COMMENT ON COLUMN survival.survival IS 'Estimated share of claims that survive so many tests; null where there are too few failures to say.';
COMMENT ON COLUMN survival.ci_low IS 'Lower end of its 95 % interval (log-log); null where nothing has failed yet.';
COMMENT ON COLUMN survival.ci_high IS 'Upper end.';
COMMENT ON COLUMN survival.reason IS 'What it says, or why nothing can be said.';

CREATE TABLE conflicts (
    evaluation_id VARCHAR NOT NULL,
    claim_a VARCHAR NOT NULL,
    claim_b VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    next_measurement VARCHAR NOT NULL
);
COMMENT ON TABLE conflicts IS 'KEY: evaluation_id, claim_a, claim_b, checkpoint_id. Pairs of claims that imply different values for the same training run: regions of one number that exclude each other, or slopes of one quantity over the models of a family that differ in sign.';
COMMENT ON COLUMN conflicts.evaluation_id IS 'The deciding. -> evaluations.evaluation_id';
COMMENT ON COLUMN conflicts.claim_a IS 'One claim. -> claims.claim_id';
COMMENT ON COLUMN conflicts.claim_b IS 'The other. -> claims.claim_id';
COMMENT ON COLUMN conflicts.checkpoint_id IS 'Where they cannot both be right: the last checkpoint of a training run inside both reference classes. -> checkpoints.checkpoint_id';
COMMENT ON COLUMN conflicts.reason IS 'What each implies there, in words.';
COMMENT ON COLUMN conflicts.next_measurement IS 'The cheapest measurement that would help to decide between them: among training runs inside both classes (for slopes, of the family) that lack the metric, least parameters x checkpoints, unmeasured models first.';

CREATE TABLE advisories (
    advisory_id VARCHAR NOT NULL,
    scope JSON NOT NULL,
    statement VARCHAR NOT NULL,
    citation VARCHAR,
    known_on DATE,
    withdrawn BOOLEAN NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE advisories IS 'KEY: advisory_id, since_build. Known faults of instruments, models or checkpoints; the latest row of an id counts.';
COMMENT ON COLUMN advisories.advisory_id IS 'Id of the advisory.';
COMMENT ON COLUMN advisories.scope IS 'JSON: lists under models, runs, checkpoints, labels (of checkpoints), probes or sources (all that are given must match); suspect: true leaves what matches out of evidence, false only informs.';
COMMENT ON COLUMN advisories.statement IS 'What is wrong, and with what consequence.';
COMMENT ON COLUMN advisories.citation IS 'Where it is documented.';
COMMENT ON COLUMN advisories.known_on IS 'Day on which it became known.';
COMMENT ON COLUMN advisories.withdrawn IS 'Whether it was taken back.';
COMMENT ON COLUMN advisories.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE audits (
    audit_id VARCHAR NOT NULL,
    run_id VARCHAR NOT NULL,
    repository VARCHAR NOT NULL,
    n_checkpoints INTEGER NOT NULL,
    bytes BIGINT NOT NULL,
    n_findings INTEGER NOT NULL,
    audited_on DATE NOT NULL,
    since_build INTEGER NOT NULL
);
COMMENT ON TABLE audits IS 'KEY: audit_id. What a hub says of the checkpoints of a training run, asked without downloading weights; the last audit of a run counts (view current_audit_findings). One that found the same as the last is not listed again.';
COMMENT ON COLUMN audits.audit_id IS 'Id of the audit: training run and a number that grows.';
COMMENT ON COLUMN audits.run_id IS 'The training run, whether or not it was measured.';
COMMENT ON COLUMN audits.repository IS 'The repository that was asked about.';
COMMENT ON COLUMN audits.n_checkpoints IS 'Checkpoints whose files were listed.';
COMMENT ON COLUMN audits.bytes IS 'Size of their weights, bytes.';
COMMENT ON COLUMN audits.n_findings IS 'Findings.';
COMMENT ON COLUMN audits.audited_on IS 'Day on which it was first found so, UTC.';
COMMENT ON COLUMN audits.since_build IS 'Build that first held this row. -> builds.build';

CREATE TABLE audit_findings (
    audit_id VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL,
    finding VARCHAR NOT NULL,
    other_checkpoint_id VARCHAR,
    suspect BOOLEAN NOT NULL,
    detail VARCHAR NOT NULL,
    weights_sha256 VARCHAR,
    commit_sha VARCHAR
);
COMMENT ON TABLE audit_findings IS 'KEY: audit_id, checkpoint_id, finding. What audits found wrong; read current_audit_findings for what stands. Advisories named audit-RUN-... follow from it.';
COMMENT ON COLUMN audit_findings.audit_id IS 'The audit. -> audits.audit_id';
COMMENT ON COLUMN audit_findings.checkpoint_id IS 'The checkpoint, whether or not it was measured or exists.';
COMMENT ON COLUMN audit_findings.finding IS 'identical (the same bytes as another checkpoint), missing (no such revision), no_weights (no safetensors there) or differs_from_main (the last checkpoint and the main branch hold different bytes).';
COMMENT ON COLUMN audit_findings.other_checkpoint_id IS 'For identical: one that holds the same bytes, the one whose own they are where that can be told.';
COMMENT ON COLUMN audit_findings.suspect IS 'Whether an advisory leaves what is measured on it out of evidence.';
COMMENT ON COLUMN audit_findings.detail IS 'What was found, in words.';
COMMENT ON COLUMN audit_findings.weights_sha256 IS 'Of the weights, as the hub states it: equal to checkpoints.weights_sha256 where the same were fetched. Null where there are none.';
COMMENT ON COLUMN audit_findings.commit_sha IS 'Commit that was looked at; null where there is none.';
