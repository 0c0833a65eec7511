"""The five axes on a family's page: which pairs stand there, and why cells are empty."""

from __future__ import annotations

from reports.html import family_path
from reports.pages.likeness import AXES, likeness_of


def test_models_stand_before_other_families_and_what_can_not_be_compared_is_left_out(catalog):
    (mechanism,) = likeness_of(catalog, "pythia").mechanisms

    names = [name for name, _ in mechanism.pairs]
    assert names == ["pythia-14m, its own runs", "pythia-14m and pythia-70m", "family smollm2"]
    assert [row["axis"] for row in mechanism.pairs[0][1]] == list(AXES)
    assert mechanism.reasons == [("configurational", ["the spectra <were> not measured"])]
    assert [name for name, _ in likeness_of(catalog, "smollm2").mechanisms[0].pairs] == ["family pythia"]


def test_a_family_that_was_not_compared_says_so(catalog, files):
    assert likeness_of(catalog, "calibration-neox").mechanisms == []
    assert likeness_of(catalog, "control-one-layer").mechanisms == []
    assert "nor this family and another" in files[family_path("calibration-neox")].decode()


def test_values_stand_beside_chance_and_empty_cells_say_why(files):
    page = files[family_path("pythia")].decode()

    assert '0.875 <span class="muted small"><span class="sr">chance </span>0.5</span>' in page
    assert '<span class="sr"> not computable</span>' in page
    assert "Not computable, configurational: the spectra &lt;were&gt; not measured." in page
