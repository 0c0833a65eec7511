"""The whole site as one file that can be sent by mail: every page a section, links between pages links within the file.

Made from the site's own files, so that it says what they say. The page in the address is shown and the others are
hidden; without JavaScript all stand one below the other.
Pages of single training runs are left out, since there may be thousands. Not here: what stands on the pages.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from html import escape
from html.parser import HTMLParser
from pathlib import Path

from catalog.home import Home
from catalog.read import open_catalog
from catalog.store import told_plainly
from reports import site

VOID = frozenset({"br", "circle", "hr", "img", "input", "link", "meta", "path", "rect", "use", "wbr"})
NAMES_ANOTHER = frozenset({"aria-labelledby", "aria-describedby", "data-chart", "for", "list"})
"""Attributes whose value is the id of another element of the page."""


def write_single_file(home: Home, path: Path) -> None:
    """Writes the file.

    Raises:
        UserError: there is no catalog, or the disk refuses.
    """
    with open_catalog(home) as catalog:
        content = single_file(site.render(catalog))
    with told_plainly(path):
        path.write_bytes(content)


def single_file(files: Mapping[str, bytes]) -> bytes:
    """All pages of a site in one.

    Args:
        files: the site's files by path, as `site.render` gives them.
    """
    pages = {
        name: content.decode() for name, content in files.items() if name.endswith(".html") and name.count("/") < 2
    }
    [style] = [content.decode() for name, content in files.items() if name.endswith(".css")]
    [script] = [content.decode() for name, content in files.items() if name.endswith(".js")]
    script = script.replace("</script", "<\\/script")
    first = pages[site.FIRST]
    header = _Moved(site.FIRST, pages).markup(_element(first, '<header class="site"', "</header>"), ids=False)
    sections = [_section(name, pages) for name in (site.FIRST, *sorted(pages.keys() - {site.FIRST}))]
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; base-uri 'none'"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}; form-action \'none\'">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>Moving Target</title><style>{style}</style></head>",
        "<body>",
        _element(first, '<svg class="sprite"', "</svg>"),
        header,
        '<main id="main" tabindex="-1">',
        *sections,
        "</main>",
        _element(first, '<footer class="site"', "</footer>"),
        _element(first, '<script type="application/json" id="chart-theme"', "</script>"),
        f"<script>{script}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts).encode()


def _section(name: str, pages: Mapping[str, str]) -> str:
    """A page's content as a section that bears its path."""
    inner = _element(pages[name], "<main", "</main>").partition(">")[2].removesuffix("</main>")
    return f'<section data-page id="{escape(name)}">{_Moved(name, pages).markup(inner)}</section>'


def _element(page: str, start: str, end: str) -> str:
    """An element of a page, from the beginning of its start tag to the next such end tag."""
    return start + page.partition(start)[2].partition(end)[0] + end


def _hash(content: str) -> str:
    """What a Content-Security-Policy allows one inline element by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


class _Moved(HTMLParser):
    """A page's markup with its ids and links made those of a section of one file."""

    def __init__(self, page: str, pages: Mapping[str, str]) -> None:
        super().__init__(convert_charrefs=False)
        self._page, self._pages, self._ids, self._out = page, pages, True, list[str]()

    def markup(self, markup: str, ids: bool = True) -> str:
        """The markup, moved; with `ids` its ids too."""
        self._ids, self._out = ids, []
        self.feed(markup)
        self.close()
        return "".join(self._out)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._out.append(f"<{tag}{''.join(self._attributes(tag, attrs))}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._out.append(f"<{tag}{''.join(self._attributes(tag, attrs))}/>")

    def handle_endtag(self, tag: str) -> None:
        self._out.append(f"</{tag}>" if tag not in VOID else "")

    def handle_data(self, data: str) -> None:
        self._out.append(data)

    def handle_entityref(self, name: str) -> None:
        self._out.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._out.append(f"&#{name};")

    def _attributes(self, tag: str, attrs: list[tuple[str, str | None]]) -> Iterator[str]:
        for name, value in attrs:
            if value is None:
                yield f" {name}"
                continue
            if name == "id" or name in NAMES_ANOTHER:
                value = " ".join(f"{self._page}:{each}" for each in value.split()) if self._ids else value
            elif name == "href" and tag == "a":
                value = self._target(value)
                if not value:
                    continue
            yield f' {name}="{escape(value)}"'

    def _target(self, address: str) -> str:
        """Where a link leads in the one file, '' where the page is left out; addresses of the web and of files that are
        no pages stay."""
        path, _, anchor = address.partition("#")
        page = posixpath.normpath(posixpath.join(posixpath.dirname(self._page), path)) if path else self._page
        if ":" in path or not page.endswith(".html"):
            return address
        if page not in self._pages:
            return ""
        return f"#{page}:{anchor}" if anchor else f"#{page}"
