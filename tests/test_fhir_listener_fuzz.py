"""Whatever is posted to the FHIR door, it answers: 202, or an OperationOutcome that says why not, and never 500."""

import contextlib
import copy
import http.client
import json

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fhir_listener_kit import CheckedIntake, Door, appointment, bundle, exchange, patient

EXPECTED = {202, 400, 409, 415, 422}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
names = st.sampled_from(["resourceType", "type", "entry", "resource", "id", "identifier", "status", "participant"])
kinds = st.sampled_from(["transaction", "batch", "message", "collection", "searchset", ""])
header = {"resourceType": "MessageHeader", "eventUri": "urn:event", "source": {"endpoint": "urn:blume"}}
resources = st.lists(st.sampled_from([appointment(), patient(), header, {}, {"resourceType": "Basic"}]), max_size=4)


@st.composite
def spoilt(draw):
    """A Bundle or an Appointment with one member replaced, added or removed somewhere."""
    kind = draw(kinds)
    document = copy.deepcopy(bundle(kind, *draw(resources)) if kind else appointment())
    place = document
    for _ in range(draw(st.integers(0, 3))):
        inner = [value for value in (place.values() if isinstance(place, dict) else place) if value]
        inner = [value for value in inner if isinstance(value, dict | list)]
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    if isinstance(place, dict) and draw(st.booleans()):
        place[draw(names)] = draw(anything)
    return json.dumps(document).encode()


@pytest.fixture(scope="module")
def connection():
    with Door(CheckedIntake()) as door:
        line = http.client.HTTPConnection(door.host, door.port, timeout=10)
        with contextlib.closing(line):
            yield line


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=spoilt() | st.binary(max_size=64) | st.builds(lambda value: json.dumps(value).encode(), anything),
    path=st.sampled_from(["/fhir", "/fhir/Appointment", "/fhir/$process-message"]),
    content_type=st.sampled_from(["application/fhir+json"] * 9 + ["text/plain"]),
)
def test_every_post_is_answered_with_202_or_with_an_operation_outcome(connection, body, path, content_type):
    status, headers, answer = exchange(connection, "POST", path, body, {"Content-Type": content_type})

    assert status in EXPECTED
    assert headers["content-type"] == "application/fhir+json; fhirVersion=4.0"
    if status != 202:
        OperationOutcome.model_validate_json(answer)
