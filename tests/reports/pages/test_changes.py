"""The change log and its feed: what each build brought and moved, escaped, and the same bytes every time."""

from __future__ import annotations

from xml.etree import ElementTree

from reports.pages import changes, facts

ATOM = {"a": changes.ATOM}


def test_a_build_tells_what_it_brought_and_moved(catalog):
    builds = changes.builds_of(catalog)

    assert [build.number for build in builds] == sorted((build.number for build in builds), reverse=True)
    assert "7 models" in " ".join(builds[-1].brought)
    n_first = catalog.execute(
        "SELECT count(*) FROM verdict_changes WHERE kind = 'first' AND level <> 'run' AND since_build = 1"
    ).fetchall()[0][0]
    assert len(builds[-1].moves["first"]) == n_first > 0
    assert f"{n_first} verdicts for the first time" in builds[-1].told


def test_a_build_that_moved_nothing_says_so():
    build = changes.Build(3, None, "d", [], {"change": [], "drift": [], "first": []})

    assert build.told == "no verdict moved"


def test_the_feed_is_atom_with_an_entry_a_build(files, catalog):
    feed = ElementTree.fromstring(files[changes.FEED])

    builds = changes.builds_of(catalog)
    entries = feed.findall("a:entry", ATOM)
    assert feed.tag == f"{{{changes.ATOM}}}feed"
    for name in ("title", "id", "updated", "author/a:name"):
        assert feed.findtext(f"a:{name}", namespaces=ATOM)
    assert [entry.findtext("a:title", namespaces=ATOM) for entry in entries] == [
        f"Build {build.number}: {build.told}" for build in builds
    ]
    assert len({entry.findtext("a:id", namespaces=ATOM) for entry in entries}) == len(builds)
    for link in feed.iter(f"{{{changes.ATOM}}}link"):
        assert link.attrib["href"].partition("#")[0] in files or link.attrib["href"] == changes.FEED


def test_hostile_text_is_text_in_the_feed(home_with):
    from catalog.read import open_catalog

    def hostile(tables):
        for row in tables["claims"]:
            row["statement"] = "<script>\x07&</script>"
        tables["evaluations"].append({**tables["evaluations"][0], "evaluation_id": "e2", "since_build": 1})
        tables["verdicts"] += [
            {**row, "evaluation_id": "e2", "verdict": "fails" if row["verdict"] == "holds" else "holds"}
            for row in tables["verdicts"]
            if row["evaluation_id"] == "e1" and row["level"] == "family"
        ]

    with open_catalog(home_with(hostile)) as catalog:
        content = changes.feed(changes.builds_of(catalog), facts.read(catalog))

    text = ElementTree.fromstring(content).findtext("a:entry/a:content", namespaces=ATOM)
    assert "<script>&</script>" in text
    assert b"<script>" not in content
