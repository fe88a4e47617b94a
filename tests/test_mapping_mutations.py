"""A mapping file with one wrong character is fit, or has a problem with a place: never a traceback.

The long run is `python -m bench.mutations`.
"""

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.mutations import SHIPPED, STRANGE, files, judged, mutated, mutations
from transformers.mapping_site import load_site

SHORT = sorted(files(), key=lambda file: file.stat().st_size)[:6]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = Path(shutil.copytree(SHIPPED, tmp_path_factory.mktemp("mutated") / "mappings"))
    return folder, load_site(folder, {})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(SHORT),
    position=st.integers(0, 1 << 30),
    kind=st.integers(0, 3),
    instead=st.sampled_from(STRANGE),
)
def test_a_wrong_character_is_told_with_its_place_or_does_no_harm(place, file, position, kind, instead):
    folder, site = place
    mutation = mutated(file, position, kind, instead)

    assert judged(mutation, site, folder) is None, str(mutation)


def test_the_same_seed_gives_the_same_mutations():
    assert list(map(str, mutations(5, 7))) == list(map(str, mutations(5, 7)))


def test_an_answer_without_a_place_would_be_found(place, monkeypatch):
    folder, site = place
    mutation = mutated(SHORT[0], 10, 0, "?")

    def failing(*_):
        raise KeyError("administrative_sex")

    monkeypatch.setattr("bench.mutations.check_mapping", failing)
    monkeypatch.setattr("bench.mutations.mapping_fragments.read", failing)
    assert judged(mutation, site, folder).startswith("KeyError")
