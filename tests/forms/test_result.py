"""Forms as results (ORU^R01): one line of a table switches; a correction takes the place of what was there."""

import json
import shutil
from datetime import UTC, datetime

import pytest

from host.site import kinds
from simulators.document_viewer import DOCUMENTS, DocumentViewer
from tests.forms import form_kit, pdf_kit
from transformers.base import Given
from transformers.form_to_hl7 import FormToHl7
from transformers.mapping_check import check_mapping
from transformers.mapping_file import show
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    site = shutil.copytree(form_kit.SITE, tmp_path_factory.mktemp("site") / "mappings")
    shutil.copy(site / "examples/form-as-result.yaml", site)
    table = site / "tables/documents.csv"
    table.write_text(table.read_text().replace(",MDM\n", ",ORU\n"))
    found = check_mapping(site / "form-as-result.yaml", load_site(site, {}, kinds()))
    assert [show(problem, found.source) for problem in found.problems] == []
    assert {one.name: one.differences for one in run_tests(found, site) if not one.passed} == {}
    return found


def encoded(checked, body, change):
    transformer = FormToHl7(json.loads(json.dumps(checked.plan)))
    document = transformer.check(body)
    (admission,) = transformer.admit(document)
    now = datetime(2025, 11, 20, tzinfo=UTC)
    values = {"change": change, "version": "1", "document": "qr-10.v1"}
    given = Given(now=now, control_id="1", destination="powerserver", focus=admission.focus, values=values)
    return transformer.transform(document, given).encoded


def test_a_result_is_filed_under_its_study_and_corrected_in_its_place(checked):
    viewer = DocumentViewer(
        [encoded(checked, form_kit.version(1), "new"), encoded(checked, form_kit.version(2), "again")]
    )

    (document,) = viewer.live()
    assert (document.section, document.study, document.number) == (DOCUMENTS, "sr-55", "qr-10")
    assert "Iodo, versão 2" in pdf_kit.text_of(document.pdf)
