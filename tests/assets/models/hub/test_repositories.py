"""What a hub says of a repository, and which are refused before anything of them is fetched."""

from __future__ import annotations

import datetime as dt

import pytest

from assets.models.hub.repositories import look_at
from catalog.errors import UserError
from tests.loopback_hub import LoopbackHub

FILES = {"config.json": b"{}", "model.safetensors": b"weights"}


def test_date_licence_and_revisions_are_the_hubs(hub: LoopbackHub) -> None:
    commit = hub.add("org/tiny", FILES, created_at="2026-03-01T10:00:00.000Z", licence="mit")

    found = look_at("org/tiny")

    assert (found.made_on, found.licence, found.is_gated) == (dt.date(2026, 3, 1), "mit", False)
    assert found.commits == {"main": commit}
    assert found.url == f"{hub.address}/org/tiny"


def test_what_the_hub_does_not_know_stays_unknown(hub: LoopbackHub) -> None:
    hub.add("org/tiny", FILES, created_at="2022-03-02T23:29:04.000Z", licence="other")

    found = look_at("org/tiny")

    assert (found.made_on, found.licence) == (None, None)


@pytest.mark.parametrize(
    ("files", "told", "mend"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"pickle"}, "pickle", "save_pretrained"),
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b"w"}, "an adapter", "Merge it"),
        ({"tiny.gguf": b"weights"}, "no safetensors", "runs: {gguf: FILE}"),
        ({"README.md": b"soon"}, "no safetensors", "holds weights"),
        ({"model.safetensors": b"weights"}, "no config.json", "Hugging Face layout"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_mend(
    hub: LoopbackHub, files: dict[str, bytes], told: str, mend: str
) -> None:
    hub.add("org/tiny", files)

    with pytest.raises(UserError, match=told) as refused:
        look_at("org/tiny")
    assert mend in refused.value.mend
    assert not hub.asked("resolve")


def test_a_gated_repository_asks_for_the_licence_and_opens_by_the_users_token(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("org/tiny", FILES, gated="manual", readers={"hf_mine"})

    with pytest.raises(UserError, match="licence to be accepted"):
        look_at("org/tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_mine")

    assert look_at("org/tiny").is_gated


@pytest.mark.parametrize("name", ["tiny", "org/", "org/tiny/main"])
def test_a_name_without_organisation_is_told(name: str) -> None:
    with pytest.raises(UserError, match="ORG/NAME"):
        look_at(name)
