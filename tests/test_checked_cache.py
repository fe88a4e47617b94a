"""A mapping file that did not change is not checked again, and whatever went into its check is a change."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.checking import make_site
from bench.checking import seconds as check_seconds
from host.checked_cache import Cache
from host.site import check_files, mapping_files, read_site
from transformers import mapping_check

ROOT = Path(__file__).parents[1]
SITE = ROOT / "tests" / "mapping_site"
MAPPING = "base.yaml"


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.delenv("PLUGIN_HOST_DATA", raising=False)
    return Path(shutil.copytree(SITE, tmp_path / "mappings"))


@pytest.fixture
def checks(monkeypatch):
    """The files that were really checked."""
    seen = []
    real = mapping_check.check_mapping

    def check(path, site):
        seen.append(path.name)
        return real(path, site)

    monkeypatch.setattr(mapping_check, "check_mapping", check)
    return seen


def check(site: Path, **how):
    (found,) = check_files(read_site(site), [site / MAPPING], **how)
    return found


def test_a_fit_file_is_checked_once_and_gives_the_same_again(site, checks):
    first, second = check(site), check(site)

    assert checks == [MAPPING]
    assert first.is_fit
    assert (second.revision, second.problems, second.checked.tests) == (
        first.revision,
        first.problems,
        first.checked.tests,
    )
    assert second.checked.places(("channel",)) == first.checked.places(("channel",))
    assert second.checked.source == first.checked.source


@pytest.mark.parametrize(
    "change",
    [
        lambda site: (site / MAPPING).write_text((site / MAPPING).read_text() + "\n# a comment\n"),
        lambda site: _append(site / "site.yaml", "\n  more: { value: x }\n"),
        lambda site: _append(site / "tables" / "authorities.csv", "urn:x,X,1.2,ISO,MR\n"),
        lambda site: (site / "tables" / "authorities.csv").unlink(),
        lambda site: _append(site / "samples" / "request.json", " "),
        lambda site: (site / "samples" / "request.json").unlink(),
    ],
    ids=["the file", "site.yaml", "a table", "no table", "a sample", "no sample"],
)
def test_whatever_went_into_the_check_is_a_change(site, checks, change):
    check(site)
    change(site)
    check(site)

    assert checks == [MAPPING, MAPPING]


def test_for_what_did_not_change_nothing_that_checks_or_serves_is_imported(site):
    first, second = _libraries(site), _libraries(site)

    assert {"antlr4", "fhirpathpy", "hl7apy"} <= first, "the negative control"
    assert second & {"antlr4", "fhirpathpy", "hl7apy", "pydicom", "starlette", "uvicorn"} == set()


def _libraries(site: Path) -> set[str]:
    """Return what a process has imported that read and checked the site."""
    code = (
        "import sys, pathlib; from host.site import *; at = pathlib.Path(sys.argv[1]);"
        "check_files(read_site(at), mapping_files(at)); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, site], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.split(".")[0] for name in done.stdout.split()}


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_a_variable_of_the_site_is_a_change(site, checks, monkeypatch):
    (site / "site.yaml").write_text((site / "site.yaml").read_text().replace("6661", "'${CHECKED_PORT:6661}'"))
    assert "CHECKED_PORT" in (site / "site.yaml").read_text()
    check(site)
    monkeypatch.setenv("CHECKED_PORT", "7001")
    check(site)

    assert len(checks) == 2


def test_another_release_checks_anew(site, checks, monkeypatch):
    check(site)
    monkeypatch.setattr("host.checked_cache._release", lambda: "another")
    check(site)

    assert len(checks) == 2


def test_a_file_with_a_mistake_is_always_checked(site, checks):
    (site / MAPPING).write_text((site / MAPPING).read_text().replace("title:", "titel:"))

    assert not check(site).is_fit
    assert not check(site).is_fit
    assert len(checks) == 2


def test_anew_checks_what_did_not_change(site, checks):
    check(site)
    check(site, anew=True)

    assert len(checks) == 2


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"key": 1}', b"\xff"])
def test_a_damaged_entry_is_not_read(site, checks, rubbish):
    check(site)
    (entry,) = (site.parent / "data" / "checked").iterdir()
    entry.write_bytes(rubbish)

    assert check(site).is_fit
    assert len(checks) == 2


def test_an_entry_is_for_its_owner_only_and_a_folder_that_cannot_be_is_no_problem(site, tmp_path):
    check(site)
    (entry,) = (site.parent / "data" / "checked").iterdir()
    assert entry.stat().st_mode & 0o077 == 0

    read = read_site(site)
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "checked", read)
    cache.put(site / MAPPING, check(site).checked)
    assert cache.get(site / MAPPING) is None


def test_many_unchanged_files_are_checked_in_no_time(tmp_path, monkeypatch):
    monkeypatch.delenv("PLUGIN_HOST_DATA", raising=False)
    folder = make_site(tmp_path, 8)
    began = time.process_time()
    check_seconds(folder)
    anew = time.process_time() - began
    began = time.process_time()
    files = check_files(read_site(folder), mapping_files(folder))

    # 100 files take under a second (bench/checking.py); here is room for a busy machine.
    assert len(files) == 8
    assert time.process_time() - began < min(0.5, anew / 2)
