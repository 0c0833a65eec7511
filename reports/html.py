"""From a template and its values to the bytes of a page: escaping, links, file names.

Every value is escaped unless a template marks its own markup safe; no filter here returns markup made of outside text
that it did not escape. Not here: what stands on a page (pages/), what is said (words.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import words

TEMPLATES = Path(__file__).parent / "templates"
LINK = re.compile(
    r"(?P<url>https?://[^\s<>\"']*[^\s<>\"'.,;:)\]])"
    r"|\barXiv[: ](?P<arxiv>\d{4}\.\d{4,5})(?:v\d+)?"
    r"|\bdoi[: ](?P<doi>10\.\d{4,9}/[^\s<>\"']*[^\s<>\"'.,;:)\]])",
    re.IGNORECASE,
)
SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Page:
    """A page of the site.

    Attributes:
        path: relative to the site's folder, with forward slashes.
        template: its file under templates/.
        values: what the template needs.
    """

    path: str
    template: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The relative path from this page to the site's folder."""
        return "../" * self.path.count("/")


def slug(name: str) -> str:
    """A name fit for a file and an anchor: ids stay as they are, other names are reduced and told apart by a hash."""
    if SAFE_NAME.fullmatch(name):
        return name
    reduced = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:60] or "name"
    return f"{reduced}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def claim_path(claim: str) -> str:
    return f"claims/{slug(claim)}.html"


def family_path(family: str) -> str:
    return f"families/{slug(family)}.html"


def model_path(model: str) -> str:
    return f"models/{slug(model)}.html"


def run_path(model: str, run: str) -> str:
    return f"models/{slug(model)}/{slug(run)}.html"


def mechanism_path(construct: str) -> str:
    return f"mechanisms/{slug(construct)}.html"


def web_address(text: str | None) -> str | None:
    """The text where it is a web address; other schemes (javascript:) are no link."""
    return text if text and re.fullmatch(r"https?://[^\s<>\"']+", text) else None


def linked(text: str | None) -> Markup:
    """A citation with its addresses, arXiv numbers and DOIs as links, the rest escaped."""
    pieces, at = [], 0
    for match in LINK.finditer(text or ""):
        address = match["url"] or (
            f"https://arxiv.org/abs/{match['arxiv']}" if match["arxiv"] else f"https://doi.org/{match['doi']}"
        )
        pieces.append(escape((text or "")[at : match.start()]))
        pieces.append(Markup('<a href="{}" rel="external noreferrer">{}</a>').format(address, match[0]))
        at = match.end()
    return Markup("").join([*pieces, escape((text or "")[at:])])


def breakable(name: str) -> Markup:
    """A long id that may break after its hyphens and underscores."""
    return Markup("<wbr>").join(escape(part) for part in re.findall(r"[^-_]*[-_]|[^-_]+", name))


def compact_json(content: Any) -> Markup:
    """JSON for a script block: sorted, without spaces, and with nothing in it that could end the block."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&'":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def environment() -> Environment:
    """Jinja2 with escaping always on and undefined names as errors."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters.update(
        number=words.number,
        compact=words.compact,
        readable=words.readable,
        linked=linked,
        breakable=breakable,
        slug=slug,
        json=compact_json,
        web_address=web_address,
        claim_path=claim_path,
        family_path=family_path,
        model_path=model_path,
        mechanism_path=mechanism_path,
    )
    jinja.globals.update(
        run_path=run_path,
        count=words.count,
        interval=words.interval,
        verdict_words=words.VERDICTS,
        labels=words.LABELS,
        roles=words.ROLES,
        levels=words.LEVELS,
        kinds=words.KINDS,
        robustness=words.ROBUSTNESS,
    )
    return jinja
