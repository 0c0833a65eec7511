"""A corpus from a data set repository of a model hub: `corpus: {dataset: org/name, file: data/test.parquet}`.

One file, text or Parquet, of one commit becomes one text under the home's corpora, which is kept; of a Parquet file the
rows of one column, a line each. A branch is asked for its commit each time; where the hub can't be reached, the commit
that it had last is taken. HF_ENDPOINT may name another hub. Not here: what a corpus is (corpora/__init__.py).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path

from assets.models.hub.client import HubUnreachable, told_by_hub
from assets.probes.corpora import Corpus
from assets.study import Dataset, digest
from catalog.errors import UserError
from catalog.home import Home
from catalog.store import told_plainly

MAXIMUM_BYTES = 50_000_000
"""Of the file and of its text: a corpus is tokenised as a whole for every checkpoint."""


def fetch(dataset: Dataset, home: Home) -> Corpus:
    """The corpus, downloaded unless it is here already.

    Raises:
        UserError: there is no such repository, revision, file or column; the file is no text, or too large; the hub
            can't be reached and nothing was fetched before.
    """
    folder = home.corpora / f"{slug(dataset)}-{_key(dataset)[:8]}"
    try:
        with told_by_hub(_where(dataset)):
            path = folder / f"{_commit(dataset)}.txt"
            if not path.exists():
                _write(path, _download(dataset, path.stem))
            _write(_resolved(folder, dataset), json.dumps({"commit": path.stem}))
    except HubUnreachable:
        if not _resolved(folder, dataset).exists():
            raise
        path = folder / f"{json.loads(_resolved(folder, dataset).read_text())['commit']}.txt"
    return Corpus.of_file(path, name=slug(dataset))


def slug(dataset: Dataset) -> str:
    """`org-name-data-test`: the name of the corpus."""
    name = f"{dataset.dataset}-{Path(dataset.file).with_suffix('')}".lower()
    return re.sub(r"[^a-z0-9._]+", "-", name).strip("-.")


def _key(dataset: Dataset) -> str:
    """What decides the text, but for the commit."""
    return digest(dataset.model_dump_json(exclude={"revision"}))


def _resolved(folder: Path, dataset: Dataset) -> Path:
    """Where it is kept which commit the revision was last."""
    return folder / f"{digest(dataset.revision)[:8]}.json"


def _commit(dataset: Dataset) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(dataset.dataset, revision=dataset.revision).sha)


def _download(dataset: Dataset, commit: str) -> str:
    """The text, from a file that is removed again."""
    from huggingface_hub import HfApi, hf_hub_download

    found = HfApi().get_paths_info(dataset.dataset, dataset.file, revision=commit, repo_type="dataset")
    size = getattr(found[0], "size", None) if found else None
    if size is None:
        files = sorted(HfApi().list_repo_files(dataset.dataset, revision=commit, repo_type="dataset"))
        raise UserError(
            f"The data set has no file {dataset.file}.",
            where=_where(dataset),
            mend=f"Its files are: {', '.join(files[:10])}{' ...' if len(files) > 10 else ''}.",
        )
    _refuse_size(size, dataset)
    with tempfile.TemporaryDirectory() as cache:
        path = hf_hub_download(
            dataset.dataset, dataset.file, repo_type="dataset", revision=commit, cache_dir=cache, etag_timeout=30
        )
        text = _text_of(Path(path), dataset)
    _refuse_size(len(text.encode()), dataset)
    return text


def _text_of(path: Path, dataset: Dataset) -> str:
    if path.suffix == ".parquet":
        return _column(path, dataset)
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise UserError(
            "The file is not UTF-8 text.", where=_where(dataset), mend="Name a text file, or a .parquet with `column`."
        ) from None


def _column(path: Path, dataset: Dataset) -> str:
    """The rows of a column of text, a line each."""
    import polars as pl

    try:
        columns = pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(
            f"The file can't be read as Parquet: {error}", where=_where(dataset), mend="Name another file."
        ) from None
    if columns.get(dataset.column) != pl.String:
        texts = [name for name, kind in columns.items() if kind == pl.String]
        raise UserError(
            f"The file has no column of text {dataset.column!r}.",
            where=_where(dataset),
            mend=f"Under `column`, name one of: {', '.join(texts) or 'there is none in it'}.",
        )
    rows = pl.read_parquet(path, columns=[dataset.column])[dataset.column]
    return "\n".join(row.strip("\n") for row in rows.drop_nulls())


def _write(path: Path, text: str) -> None:
    """Aside and renamed, so that a file that stands there is whole."""
    with told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_text(text, encoding="utf-8", newline="")
        aside.replace(path)


def _where(dataset: Dataset) -> str:
    return f"corpus of the study: {dataset.dataset} at {dataset.revision}, {dataset.file}"


def _refuse_size(n_bytes: int, dataset: Dataset) -> None:
    if n_bytes > MAXIMUM_BYTES:
        raise UserError(
            f"The corpus is too large: {n_bytes / 1e6:.0f} MB, {MAXIMUM_BYTES / 1e6:.0f} are read at most.",
            where=_where(dataset),
            mend="Name a smaller file of it: some thousand sentences are enough.",
        )
