"""One running host for all tests that send forms through it: it fills PDF forms, and reads Questionnaires elsewhere."""

import shutil

import pytest

from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from tests.cli.console_script import RunningHost, edit, without_clock
from tests.forms import form_kit


@pytest.fixture(scope="package")
def powerserver():
    with PowerServer() as peer:
        yield peer


@pytest.fixture(scope="package")
def omegaai():
    with OmegaAI() as peer:
        yield peer


@pytest.fixture(scope="package")
def host(tmp_path_factory, powerserver, omegaai):
    folder = tmp_path_factory.mktemp("forms")
    site = without_clock(shutil.copytree(form_kit.SITE, folder / "mappings"))
    further = '  pdf: "%resource.entry.resource.ofType(Binary).data.first()"\n  read_from: omegaai\n'
    edit(site / form_kit.MAPPING, form_kit.QUESTIONNAIRE, form_kit.QUESTIONNAIRE + further)
    with RunningHost(folder / "data", powerserver.port, site, {"OMEGAAI_FHIR_URL": omegaai.base}) as running:
        yield running
