"""Both paths against attention as the textbook writes it, and against each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from assets.models.engine import paths
from assets.models.engine.mask import Mask
from assets.models.engine.paths import Attended, by_blocks, by_kernel
from assets.models.engine.readouts import Plan

N_SEQUENCES, N_TOKENS, D_HEAD, SCALE = 3, 75, 8, 0.7


@pytest.fixture
def plan() -> Plan:
    chosen = np.random.default_rng(0)
    readouts = {
        name: np.nonzero(np.tril(chosen.random((N_TOKENS, N_TOKENS)) < share))
        for name, share in (("few", 0.01), ("many", 0.3))
    }
    return Plan.of(readouts, N_TOKENS, torch.device("cpu"))


def tensors(n_heads: int, n_key_heads: int, d_value: int = D_HEAD) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Laid out in memory as models lay them out: (sequences, tokens, heads, d) seen from the side."""
    torch.manual_seed(0)
    shapes = [(n_heads, D_HEAD), (n_key_heads, D_HEAD), (n_key_heads, d_value)]
    query, key, value = (torch.randn(N_SEQUENCES, N_TOKENS, *shape).transpose(1, 2) * 1.5 for shape in shapes)
    return query, key, value


def textbook(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    plan: Plan,
    visible: torch.Tensor,
    softcap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and scores, in float64 and one head at a time."""
    outputs, scores = [], []
    for head in range(query.shape[1]):
        key_head = head * key.shape[1] // query.shape[1]
        logits = SCALE * query[:, head].double() @ key[:, key_head].double().transpose(1, 2)
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        weights = logits.exp() * visible
        total = weights.sum(-1, keepdim=True) + (0 if sinks is None else sinks[head].double().exp())
        matrix = weights / total
        outputs.append(matrix @ value[:, key_head].double())
        scores.append(matrix[:, plan.queries, plan.keys] @ plan.weights.double())
    return torch.stack(outputs, 2), torch.stack(scores, 1)


def assert_equal(attended: Attended, wanted: tuple[torch.Tensor, torch.Tensor]) -> None:
    output, scores = wanted
    torch.testing.assert_close(attended.output.double(), output, atol=5e-6, rtol=1e-5)
    torch.testing.assert_close(attended.scores.double(), scores, atol=1e-6, rtol=0)
    assert attended.row_sum_error < 1e-5


CAUSAL = torch.ones(N_TOKENS, N_TOKENS, dtype=torch.bool).tril()


@pytest.mark.parametrize(("n_heads", "n_key_heads"), [(4, 4), (6, 2), (4, 1)])
@pytest.mark.parametrize("read_bytes", [1, 2**14, 2**30])
def test_kernel(plan: Plan, n_heads: int, n_key_heads: int, read_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "READ_BYTES", read_bytes)
    query, key, value = tensors(n_heads, n_key_heads)

    attended = by_kernel(query, key, value, SCALE, plan, Mask(None, plan), checked=1)

    assert attended is not None
    assert_equal(attended, textbook(query, key, value, plan, CAUSAL))


@pytest.mark.parametrize("rows", [1, 7, 32, 100])
@pytest.mark.parametrize(("n_heads", "n_key_heads", "d_value"), [(4, 4, 8), (6, 2, 8), (4, 1, 5)])
@pytest.mark.parametrize("window", [None, 75, 20, 3])
@pytest.mark.parametrize("softcap", [None, 2.0])
@pytest.mark.parametrize("has_sinks", [False, True], ids=["", "sinks"])
def test_blocks(
    plan: Plan,
    rows: int,
    n_heads: int,
    n_key_heads: int,
    d_value: int,
    window: int | None,
    softcap: float | None,
    has_sinks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "BLOCK_ROWS", rows)
    query, key, value = tensors(n_heads, n_key_heads, d_value)
    visible = CAUSAL if window is None else CAUSAL.triu(1 - window)
    mask = Mask(None if window is None else visible[None, None], plan)
    sinks = torch.linspace(-2, 3, n_heads) if has_sinks else None

    attended = by_blocks(query, key, value, SCALE, plan, mask, softcap, sinks)

    assert_equal(attended, textbook(query, key, value, plan, visible, softcap, sinks))


def test_kernel_and_blocks_agree_where_both_apply(plan: Plan) -> None:
    query, key, value = tensors(6, 2)

    kernel = by_kernel(query, key, value, SCALE, plan, Mask(None, plan), checked=0)
    assert kernel is not None
    blocks = by_blocks(query, key, value, SCALE, plan, Mask(None, plan))

    torch.testing.assert_close(kernel.output, blocks.output, atol=5e-6, rtol=1e-5)
    torch.testing.assert_close(kernel.scores, blocks.scores, atol=1e-6, rtol=0)


def test_each_sequence_of_a_mask_and_a_term_of_the_logits(plan: Plan) -> None:
    query, key, value = tensors(4, 4)
    term = torch.randn(N_SEQUENCES, 4, N_TOKENS, N_TOKENS).masked_fill(~CAUSAL, torch.finfo(torch.float32).min)

    attended = by_blocks(query, key, value, SCALE, plan, Mask(term, plan))

    matrix = torch.softmax(SCALE * query @ key.transpose(2, 3) + term, -1)
    torch.testing.assert_close(attended.output, (matrix @ value).transpose(1, 2), atol=5e-6, rtol=1e-5)
    torch.testing.assert_close(attended.scores, matrix[:, :, plan.queries, plan.keys] @ plan.weights)


def test_a_wrong_normaliser_shows_in_the_row_sum(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = tensors(4, 4)
    true_kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

    def wrong(*inputs: object, **options: object) -> tuple[torch.Tensor, torch.Tensor]:
        output, logsumexp = true_kernel(*inputs, **options)
        return output, logsumexp + 0.1

    monkeypatch.setattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", wrong)

    attended = by_kernel(query, key, value, SCALE, plan, Mask(None, plan), checked=0)

    assert attended is not None
    assert attended.row_sum_error == pytest.approx(1 - np.exp(-0.1), abs=1e-4)


def textbook_rows(
    query: torch.Tensor, key: torch.Tensor, width: int, sinks: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entropy and sink's share (sequences, heads) in a window, in float64, one row at a time."""
    entropy = torch.zeros(query.shape[:2], dtype=torch.float64)
    share = torch.zeros_like(entropy)
    for sequence, head in np.ndindex(*entropy.shape):
        ratios = []
        for i in range(N_TOKENS):
            keys = key[sequence, head * key.shape[1] // query.shape[1], max(0, i - width + 1) : i + 1].double()
            weights = torch.exp(SCALE * keys @ query[sequence, head, i].double())
            p = weights / weights.sum()
            sink = 0.0 if sinks is None else sinks[head].double().exp()
            share[sequence, head] += sink / (weights.sum() + sink) / N_TOKENS
            if len(p) > 1:
                ratios.append(-(p * p.log()).sum() / np.log(len(p)))
        entropy[sequence, head] = torch.stack(ratios).mean()
    return entropy, share


def with_rows(plan: Plan) -> Plan:
    return dataclasses.replace(plan, rows=True)


def plan_without_rows(plan: Plan) -> Plan:
    return dataclasses.replace(plan, rows=False)


@pytest.mark.parametrize("n_key_heads", [6, 2])
def test_entropy_by_the_kernel(plan: Plan, n_key_heads: int) -> None:
    plan, (query, key, value) = with_rows(plan), tensors(6, n_key_heads)

    attended = by_kernel(query, key, value, SCALE, plan, Mask(None, plan), checked=0)

    assert attended is not None
    assert attended.entropy is not None
    wanted, _ = textbook_rows(query, key, N_TOKENS)
    torch.testing.assert_close(attended.entropy.double(), wanted, atol=1e-6, rtol=0)
    assert wanted.max() < 0.9, "rows too uniform for this to be a test"


@pytest.mark.parametrize("rows", [7, 32, 100])
@pytest.mark.parametrize("width", [75, 20, 3])
@pytest.mark.parametrize("has_sinks", [False, True], ids=["", "sinks"])
def test_entropy_and_sink_share_by_blocks(
    plan: Plan, rows: int, width: int, has_sinks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "BLOCK_ROWS", rows)
    plan, (query, key, value) = with_rows(plan), tensors(6, 2)
    sinks = torch.tensor([-2.0, -1, 0, 3, 5, 200]) if has_sinks else None

    attended = by_blocks(query, key, value, SCALE, plan, Mask(CAUSAL.triu(1 - width)[None, None], plan), None, sinks)

    assert attended.entropy is not None
    entropy, share = textbook_rows(query, key, width, sinks)
    torch.testing.assert_close(attended.entropy.double(), entropy, atol=1e-6, rtol=0)
    if has_sinks:
        assert attended.sink_share is not None
        torch.testing.assert_close(attended.sink_share.double(), share, atol=1e-6, rtol=0)
    else:
        assert attended.sink_share is None


def test_rows_cost_nothing_where_they_are_not_asked_for(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    true_kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    monkeypatch.setattr(
        torch.ops.aten,
        "_scaled_dot_product_flash_attention_for_cpu",
        lambda *inputs, **options: calls.append(1) or true_kernel(*inputs, **options),
    )
    monkeypatch.setattr(paths, "row_entropy", lambda _: pytest.fail("computed"))

    attended = by_kernel(*tensors(4, 4), SCALE, plan, Mask(None, plan), checked=0)
    blocks = by_blocks(*tensors(4, 4), SCALE, plan, Mask(None, plan), sinks=torch.zeros(4))

    assert attended is not None
    assert (len(calls), attended.entropy, blocks.entropy, blocks.sink_share) == (1, None, None, None)


@pytest.mark.parametrize("size", [1.0, 2.0, 3.0])
def test_error_of_kernel_entropy_keeps_its_bound(plan: Plan, size: float) -> None:
    """Logits near 100, of which little is left of a small entropy."""
    plan, (query, key, value) = with_rows(plan), tensors(4, 4)

    attended = by_kernel(query * size, key * size, value, SCALE, plan, Mask(None, plan), checked=0)

    wanted, _ = textbook_rows(query * size, key * size, N_TOKENS)
    assert attended is not None
    assert attended.entropy is not None
    assert (attended.entropy - wanted).abs().max() < 1e-6 * size**2


def test_entropy_of_huge_logits_is_refused_by_the_kernel(plan: Plan) -> None:
    plan, (query, key, value) = with_rows(plan), tensors(4, 4)

    assert by_kernel(query * 10, key * 10, value, SCALE, plan, Mask(None, plan), checked=0) is None
    assert by_kernel(query * 10, key * 10, value, SCALE, plan, Mask(None, plan_without_rows(plan)), checked=0)


def test_no_entropy_where_each_query_sees_one_key(plan: Plan) -> None:
    plan = with_rows(plan)

    attended = by_blocks(*tensors(4, 4), SCALE, plan, Mask(CAUSAL.triu()[None, None], plan))

    assert attended.entropy is None
