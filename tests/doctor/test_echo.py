"""The doctor asks a real DICOM peer by C-ECHO: Orthanc, which lets in whom it knows."""

from __future__ import annotations

import shutil

import pytest

from messages.health import Mark
from tests.dicom.peers import free_port, orthanc

NOBODY = {f"DicomAlwaysAllow{what}": False for what in ("Echo", "Store", "Find", "Get", "Move", "FindWorklist")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Orthanc, which takes associations of PLUGINHOST alone."""
    with orthanc(tmp_path_factory.mktemp("archive"), {"PLUGINHOST": free_port()}, **NOBODY) as peer:
        yield peer


@pytest.mark.parametrize(
    ("us", "them", "mark", "words", "cure"),
    [
        ("PLUGINHOST", "OMEGAAI", Mark.PASS, "OMEGAAI answers C-ECHO", ""),
        ("STRANGER", "OMEGAAI", Mark.FAIL, "no association with OMEGAAI", "does it know us as STRANGER"),
        ("PLUGINHOST", "OTHER", Mark.FAIL, "no association with OTHER", "is its AE title right?"),
    ],
)
def test_an_archive_that_knows_us_passes_and_one_that_does_not_fails_with_its_reason(
    demo, archive, us, them, mark, words, cure
):
    demo.edit(
        "site.yaml", '      OMEGAAI LINK: { ae_title: OMEGAAI, host: 127.0.0.1, port: "${OMEGAAI_DICOM_PORT:105}" }',
        f"      OMEGAAI LINK: {{ ae_title: {them}, calling_ae_title: {us}, host: 127.0.0.1, port: {archive.port} }}",
    )  # fmt: skip
    demo.keep(demo.folder / "study-share.yaml")
    shutil.copy(demo.folder / "examples/study-share.yaml", demo.folder)
    (found,) = [one for one in demo.doctor("peer.echo") if one.about == "OMEGAAI LINK"]

    assert (found.mark, cure in found.cure) == (mark, True)
    assert found.found.startswith(words)
