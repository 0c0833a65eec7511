"""What a hub says of a repository before anything of it is fetched: can it be measured, date, licence, revisions.

Here: a few small requests and what is refused on their answers. Not here: what a study makes of it (models/added.py),
fetching (sources/hub.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.models.files import refuse_pickles
from assets.models.hub.client import told_by_hub
from assets.models.hub.listing import TIMEOUT_S, ask_refs
from catalog.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

DATES_BEGIN = dt.date(2022, 3, 2)
"""The day that the hub gives for every repository made before it kept such dates."""


@dataclass(frozen=True)
class Repository:
    """A repository whose weights can be measured.

    Attributes:
        name: ORG/NAME.
        url: its page.
        made_on: the day it was made; None where the hub does not know.
        licence: as its card states it.
        is_gated: whether the hub hands it out to those only who accepted a licence, as this user did.
        commits: commit by name of branch or tag.
    """

    name: str
    url: str
    made_on: dt.date | None
    licence: str | None
    is_gated: bool
    commits: dict[str, str]

    @property
    def organisation(self) -> str:
        return self.name.partition("/")[0]


def look_at(name: str) -> Repository:
    """Asks a hub about a repository, in two to four requests.

    Raises:
        HubUnreachable: the hub did not answer.
        UserError: there is none of that name, its weights can't be measured, or this user may not have them.
    """
    from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_url

    if name.count("/") != 1 or not all(name.split("/")):
        raise UserError("A repository is named ORG/NAME.", where=name, mend="For example EleutherAI/pythia-70m.")
    with told_by_hub(name):
        info = HfApi().model_info(name, timeout=TIMEOUT_S)
        refuse_unmeasurable([file.rfilename for file in info.siblings or []], name)
        if info.gated:
            get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=TIMEOUT_S)
        commits = commits_of(name)
    return Repository(
        name=name,
        url=f"{constants.ENDPOINT}/{name}",
        made_on=_made_on(info),
        licence=_licence(info),
        is_gated=bool(info.gated),
        commits=commits,
    )


def commits_of(name: str) -> dict[str, str]:
    """Commit by name of branch or tag, asked for anew, in one request."""
    with told_by_hub(name):
        return ask_refs(name)


def refuse_unmeasurable(files: Iterable[str], where: str) -> None:
    """Looks at the names of a repository's files.

    Raises:
        UserError: weights and configuration of a model are not among them as safetensors and config.json.
    """
    names = [name for name in files if "/" not in name]
    refuse_pickles(names, where)
    if "adapter_config.json" in names:
        raise UserError(
            "The repository holds an adapter, not a model.",
            where=where,
            mend="Merge it into its base model and save that with save_pretrained; a folder is measured by "
            "`runs: {local: FOLDER}`.",
            lasting=True,
        )
    if not any(name.endswith(".safetensors") for name in names):
        gguf = any(name.endswith(".gguf") for name in names)
        raise UserError(
            "The repository holds no safetensors.",
            where=where,
            mend="Download its GGUF file and measure it by `runs: {gguf: FILE}`."
            if gguf
            else "Name a repository that holds weights in Hugging Face layout.",
        )
    if "config.json" not in names:
        raise UserError(
            "The repository has no config.json.",
            where=where,
            mend="Name a repository in Hugging Face layout, as save_pretrained writes it.",
        )


def _made_on(info: ModelInfo) -> dt.date | None:
    made_on = info.created_at.date() if info.created_at else None
    return None if made_on == DATES_BEGIN else made_on


def _licence(info: ModelInfo) -> str | None:
    """Of the card, else of the tags; `other` says nothing."""
    stated = info.card_data.get("license") if info.card_data else None
    tagged = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
    found = stated if isinstance(stated, str) else next(iter(tagged), None)
    return None if found == "other" else found
