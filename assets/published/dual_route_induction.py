"""Feucht et al. (2025): attention heads of Pythia-6.9B, OLMo 2 7B, Llama 2 7B and Llama 3 8B, from a clone of the
study's repository, early checkpoints of the first two among them.

Files cache/attention_scores/MODEL[/REVISION]/n2048_seqlen30[_randomtokents].json, each {next_tok_attn, end_tok_attn:
[{layer, head_idx, score}]}; layers and heads are counted from 0. As the published script (scripts/attention_scores.py)
made them: a chunk of 2 to 5 tokens in equal numbers, the subject of a CounterFact prompt or (_randomtokents) shuffled
tokens of the Pile, stands among shuffled tokens of the Pile, then a new line, and what stood before the chunk again:

    BOS, p tokens, chunk, the rest up to 30 tokens, new line, the same p tokens      p = 15 .. 30 - length of the chunk

Attention is read at the last query, weighted by the norms of the values. Not here: the causal scores of the same study
(cache/causal_scores), the design of the models (models/families).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from assets.models.hub.revisions import label_of
from assets.probes.registry import Measurement, Metric, Parameters
from assets.published import ImportedCheckpoint
from assets.study import load_family
from catalog.errors import UserError

FOLDER = "attention_scores"
FILES = {"n2048_seqlen30.json": "counterfact", "n2048_seqlen30_randomtokents.json": "random"}
"""The names of the files, with what the chunk is made of."""
SAMPLES, LENGTH, CHUNKS = 2048, 30, (2, 3, 4, 5)
CHANCE = mean(mean(1 / (LENGTH + 2 + p) for p in range(LENGTH // 2, LENGTH - chunk + 1)) for chunk in CHUNKS)
"""1 / (keys that the query sees), the mean over places and lengths of the chunk: .0190."""
CITATION = (
    "Feucht, S., Todd, E., Wallace, B. and Bau, D. (2025). The Dual-Route Model of Induction. COLM 2025, "
    "arXiv 2504.03022"
)


def _metric(metric_id: str, construct: str, token: str) -> Metric:
    return Metric(
        metric_id,
        construct=construct,
        method="attention",
        grain="head",
        unit="share of value-weighted attention",
        definition=f"Of a chunk of 2 to 5 tokens among shuffled ones, after what stood before it was repeated: "
        f"A[i,j] |v[j]| / sum over k of A[i,k] |v[k]|, i the last token (the repetition of the one before the chunk), "
        f"j the {token} token of the chunk, v the head's values; mean over {SAMPLES} sequences.",
        citation=CITATION,
        lower=0.0,
        upper=1.0,
        has_excess=True,
        chance_rule="Uniform attention, values of one norm: mean over places and lengths of the chunk of 1 / (keys "
        "that the query sees), by the published script.",
    )


NEXT_TOKEN_MATCHING = _metric("next_token_matching", "induction", "first")
LAST_TOKEN_MATCHING = _metric("last_token_matching", "concept_induction", "last")
KEYS = {"next_tok_attn": NEXT_TOKEN_MATCHING, "end_tok_attn": LAST_TOKEN_MATCHING}


@dataclass(frozen=True)
class Stage:
    """Which of our models the checkpoints in a folder are, by the form of their revisions, which names the step; empty:
    the model as it was released."""

    family_id: str
    model_id: str
    revision: str = ""
    tokens_per_step: int = 0
    final_step: int | None = None


MODELS = {
    "pythia-6.9b": (
        Stage("pythia", "pythia-6.9b", r"step(?P<step>\d+)", tokens_per_step=2_097_152, final_step=143_000),
    ),
    "OLMo-2-1124-7B": (
        Stage("olmo2", "olmo-2-7b"),
        Stage("olmo2", "olmo-2-7b-stage1", r"stage1-step(?P<step>\d+)-tokens\d+B", 4_194_304, 928_646),
    ),
    "Llama-2-7b-hf": (Stage("llama2", "llama-2-7b"),),
    "Meta-Llama-3-8B": (Stage("llama3", "llama-3-8b"),),
}
"""By the folder's name."""
RELEASED = {"pythia-6.9b": "step143000"}
"""The revision that a model was released as, where it is a checkpoint of the same run."""


@dataclass(frozen=True)
class DualRouteInduction:
    """The importer; `path` is a clone of the repository, or its folder cache/attention_scores."""

    name: str = "dual_route_induction"
    version: int = 1
    metrics: tuple[Metric, ...] = (NEXT_TOKEN_MATCHING, LAST_TOKEN_MATCHING)
    how_to_get: str = "git clone --depth 1 https://github.com/sfeucht/dual-route-induction"

    def source(self, path: Path) -> dict[str, Any]:
        """The row of catalog table `sources`."""
        return {
            "source_id": self.name,
            "kind": "published",
            "citation": CITATION,
            "url": "https://github.com/sfeucht/dual-route-induction",
            "licence": "MIT",
            "may_redistribute": True,
            "known_on": date(2025, 4, 3),
        }

    def files(self, path: Path) -> list[Path]:
        """The files of attention scores in `path` or below it.

        Raises:
            UserError: there are none.
        """
        found = sorted(file for name in FILES for file in path.rglob(name) if FOLDER in file.resolve().parts)
        if not found:
            raise UserError(
                "There are no attention scores of Feucht et al. (2025).",
                where=str(path),
                mend=f"Name a clone of the repository ({self.how_to_get}), or its folder cache/{FOLDER}.",
            )
        return found

    def read(self, file: Path) -> Iterator[ImportedCheckpoint]:
        """The one checkpoint of a file, two values per head.

        Raises:
            UserError: the folders name no model that the study measured, or the content is not every head of it once.
        """
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UserError(
                f"The file can't be read: {error.strerror}.", where=str(file), mend="Mend its rights."
            ) from None
        stage, label, step = _identity(file)
        is_final = stage.final_step is None or step == stage.final_step
        parameters: Parameters = {"chunk": FILES[file.name], "length": LENGTH}
        yield ImportedCheckpoint(
            checkpoint_id=f"{stage.model_id}@{label}",
            run_id=stage.model_id,
            model_id=stage.model_id,
            family_id=stage.family_id,
            seed=None,
            label=label,
            step=step,
            tokens_seen=None if step is None else step * stage.tokens_per_step,
            is_final=is_final,
            data_set=file.name,
            file=f"{label}/{file.name}",
            file_sha256=hashlib.sha256(content).hexdigest(),
            measurements=tuple(
                Measurement(metric.metric_id, parameters, score, layer=layer, head=head, chance=CHANCE, n=SAMPLES)
                for metric, layer, head, score in _scores(content, stage, file)
            ),
        )


def _identity(file: Path) -> tuple[Stage, str, int | None]:
    """Which checkpoint the folders above a file name: its model, label and step."""
    parts = file.resolve().parts
    folders = parts[len(parts) - 1 - parts[::-1].index(FOLDER) + 1 : -1]
    name, revision = (*folders, "", "")[:2]
    named = revision or RELEASED.get(name, "")
    for stage in MODELS.get(name, ()) if len(folders) <= 2 else ():
        found = re.fullmatch(stage.revision, named)
        if found:
            step = int(found["step"]) if stage.revision else None
            return stage, label_of(named or "main"), step
    raise UserError(
        f"The folder {'/'.join(folders)} is none of a model and checkpoint that the study measured.",
        where=str(file),
        mend=f"Folders of {FOLDER} are {', '.join(MODELS)}; below the first two, one for each revision.",
        lasting=True,
    )


def _scores(content: bytes, stage: Stage, file: Path) -> Iterator[tuple[Metric, int, int, float]]:
    """Every head's scores, if they are those of all heads of the model."""
    design = next(m for m in load_family(stage.family_id).models if m.model_id == _designed(stage)).design
    every = set(product(range(design["n_layers"]), range(design["n_heads"])))
    try:
        lists = json.loads(content)
        tables = {key: [(row["layer"], row["head_idx"], row["score"]) for row in lists[key]] for key in KEYS}
    except (ValueError, KeyError, TypeError) as error:
        form = "{next_tok_attn, end_tok_attn: [{layer, head_idx, score}]}"
        raise _fault(file, f"it is not of the form {form} ({error!r})") from None
    for key, rows in tables.items():
        heads = [(layer, head) for layer, head, _ in rows]
        if len(heads) != len(every) or set(heads) != every:
            shape = f"{design['n_layers']} layers of {design['n_heads']}"
            raise _fault(
                file, f"{key} has {len(heads)} rows of {len(set(heads))} heads, where {shape} are {len(every)}"
            )
        for layer, head, score in rows:
            if not isinstance(score, int | float) or not math.isfinite(score) or not 0 <= score <= 1:
                raise _fault(file, f"{key}, layer {layer}, head {head}: {score!r} is not between 0 and 1")
    for key, rows in tables.items():
        yield from ((KEYS[key], layer, head, float(score)) for layer, head, score in rows)


def _designed(stage: Stage) -> str:
    """The model whose design the family file states: OLMo 2's stands with its first stage."""
    return "olmo-2-7b-stage1" if stage.family_id == "olmo2" else stage.model_id


def _fault(file: Path, what: str) -> UserError:
    return UserError(f"The file can't be imported: {what}.", where=str(file), mend="Restore it: git checkout -- FILE.")


IMPORTER = DualRouteInduction()
