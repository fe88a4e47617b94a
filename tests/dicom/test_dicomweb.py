"""DICOMweb against Orthanc, and behind a gate over TLS that wants a token of an OpenID provider that others wrote."""

import asyncio
import http.client
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
import trustme

from connectors.dicom_base import DicomwebPeer, Query, Verdict
from connectors.dicom_part10 import read_instance
from connectors.dicomweb_peer import DicomwebStation
from connectors.oauth_token import token_source
from tests.dicom.kit import station
from tests.dicom.peers import study
from tests.test_oauth_token import API, SECRET, running


async def _with(peer, work):
    try:
        return await work(peer)
    finally:
        await peer.close()


def _stored(peer, instances):
    async def store(peer):
        return [outcome async for outcome in peer.store(instances)]

    return asyncio.run(_with(peer, store))


def _found(peer, query):
    return asyncio.run(_with(peer, lambda peer: peer.find(query)))


@pytest.fixture
def some(tmp_path):
    return [read_instance(path) for path in study(tmp_path / "some", 6)]


def _study_uid(instances):
    import pydicom

    return str(pydicom.dcmread(instances[0].path, stop_before_pixels=True).StudyInstanceUID)


def test_a_study_is_stored_counted_and_compared(omegaai, some):
    peer = DicomwebStation(base=omegaai.dicomweb)
    outcomes = _stored(peer, some)
    uid = _study_uid(some)
    keys = {"StudyInstanceUID": uid, "NumberOfStudyRelatedInstances": "", "PatientName": ""}
    counted = _found(peer, Query(level="STUDY", keys=keys))
    listed = _found(peer, Query(level="IMAGE", keys={"StudyInstanceUID": uid, "SOPClassUID": ""}))

    assert isinstance(peer, DicomwebPeer)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS] * 6
    assert [outcome.reference for outcome in outcomes] == [instance.reference for instance in some]
    assert counted.matches[0]["NumberOfStudyRelatedInstances"] == "6"
    assert counted.matches[0]["PatientName"] == "Fabricated^Ana"
    assert {match["SOPInstanceUID"] for match in listed.matches} == {i.reference.sop_instance_uid for i in some}


def test_a_limit_that_cuts_is_said(omegaai, some):
    peer = DicomwebStation(base=omegaai.dicomweb)
    _stored(peer, some)
    found = _found(peer, Query(level="IMAGE", keys={"StudyInstanceUID": _study_uid(some)}, limit=4))

    assert (len(found.matches), found.is_cut) == (4, True)


def test_a_study_that_is_not_there_has_no_match(omegaai):
    found = _found(DicomwebStation(base=omegaai.dicomweb), Query(level="STUDY", keys={"StudyInstanceUID": "1.2.3"}))

    assert (found.verdict, found.matches) == (Verdict.SUCCESS, ())


@pytest.mark.parametrize("key", ["PatientName", "PatientID", "AccessionNumber", "StudyDate"])
def test_no_value_of_a_person_is_put_into_a_url(key):
    nobody = DicomwebStation(base="http://127.0.0.1:9/dicom-web")
    with pytest.raises(ValueError, match=f"{key} must not stand in a URL") as refused:
        _found(nobody, Query(level="STUDY", keys={key: "CANARY"}))

    assert "CANARY" not in str(refused.value)


def test_an_instance_that_the_server_refuses_is_refused_and_the_next_is_stored(omegaai, some, tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(some[0].path.read_bytes()[: some[0].offset + 40])
    outcomes = _stored(DicomwebStation(base=omegaai.dicomweb), [read_instance(broken), some[1]])

    assert [outcome.is_stored for outcome in outcomes] == [False, True]


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (200, b"", Verdict.UNANSWERED),
        (200, b"{}", Verdict.UNANSWERED),
        (200, b"[]", Verdict.UNANSWERED),
        (200, b"<html>welcome</html>", Verdict.UNANSWERED),
        (200, {"00081199": {"vr": "SQ", "Value": [{"00081155": {"Value": ["1.2.3"]}}]}}, Verdict.UNANSWERED),
        (200, {"00081199": {"vr": "SQ", "Value": [{"00081155": {"Value": ["UID"]}}]}}, Verdict.SUCCESS),
        (202, {"00081199": {"Value": [{"00081155": {"Value": ["UID"]}, "00081196": {"Value": [0xB000]}}]}},
         Verdict.WARNING),
        (409, {"00081198": {"Value": [{"00081155": {"Value": ["UID"]}, "00081197": {"Value": [0xA700]}}]}},
         Verdict.DEFERRED),
        (409, {"00081198": {"Value": [{"00081155": {"Value": ["UID"]}, "00081197": {"Value": [0xC122]}}]}},
         Verdict.REFUSED),
        (409, {}, Verdict.REFUSED),
        (503, b"", Verdict.DEFERRED),
        (403, b"", Verdict.REFUSED),
        (415, b"", Verdict.REFUSED),
    ],
)  # fmt: skip
def test_only_an_answer_that_names_the_instance_is_success(some, status, said, verdict):
    uid = some[0].reference.sop_instance_uid
    body = said if isinstance(said, bytes) else orjson.dumps(said).replace(b'"UID"', f'"{uid}"'.encode())
    with _serving(lambda request: (status, body)) as (base, _):
        (outcome,) = _stored(DicomwebStation(base=base, attempts=1), some[:1])

    assert (outcome.verdict, outcome.status) == (verdict, status)


def test_a_server_that_is_not_there_leaves_every_instance_accounted_for(some):
    with _serving(lambda request: (200, b"")) as (base, _):
        pass
    outcomes = _stored(DicomwebStation(base=base, attempts=2, retry_after=0.01), some[:3])

    assert [(outcome.verdict, outcome.attempts) for outcome in outcomes] == [(Verdict.UNANSWERED, 2)] * 3


# -- a server of the test's own ---------------------------------------------------------------------------------


@contextmanager
def _serving(answer, tls=None):
    """Run a server; `answer(handler)` returns status and body. Give its base, and the requests that came."""
    came = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            came.append((self.command, self.path))
            status, body = answer(self)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the library's name

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/dicom-web", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Gate:
    """Passes on to Orthanc what comes with a token that it has not rejected."""

    def __init__(self, omegaai):
        self._omegaai = omegaai
        self.tokens = []
        self.rejected = set()

    def answer(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token or token in self.rejected:
            return 401, b""
        if token not in self.tokens:
            self.tokens.append(token)
        line = http.client.HTTPConnection("127.0.0.1", self._omegaai.http_port, timeout=20)
        try:
            headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
            line.request(request.command, request.path, request.content, headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("papers")
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "cert.pem", folder / "key.pem", str(folder / "ca.pem")


@contextmanager
def _guarded(omegaai, papers):
    gate = _Gate(omegaai)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers[0], papers[1])
    with _serving(gate.answer, context) as (base, came):
        yield gate, base, came


def _peer(base, provider, papers):
    return DicomwebStation(
        base=base, ca_file=papers[2], authority=provider.issuer.removesuffix("/v2.0"), client_id="plugin-host",
        client_secret="${secret:OMEGAAI_SECRET}", scope=f"{API}/.default", authority_ca_file=papers[2], attempts=1,
    )  # fmt: skip


def test_tokens_are_taken_renewed_and_rotated_and_nothing_but_the_token_is_lost(omegaai, papers, some, monkeypatch):
    monkeypatch.setenv("OMEGAAI_SECRET", SECRET)
    token_source.cache_clear()

    async def store(peer):
        stored = []
        async for outcome in peer.store(some):
            stored.append(outcome)
            if len(stored) == 3:  # the server ends the token's life; meanwhile the secret was rotated
                gate.rejected.update(gate.tokens)
                await asyncio.to_thread(provider.change_secret, "second-secret-0123456789")
                monkeypatch.setenv("OMEGAAI_SECRET", "second-secret-0123456789")
        return stored

    with running(papers) as provider, _guarded(omegaai, papers) as (gate, base, came):
        outcomes = asyncio.run(_with(_peer(base, provider, papers), store))
        calls = provider.calls

    assert [(outcome.verdict, outcome.attempts) for outcome in outcomes] == [(Verdict.SUCCESS, 1)] * 6
    assert (len(gate.tokens), calls) == (2, 2)
    assert came == [("POST", "/dicom-web/studies")] * 7, "one was answered 401 and made again"


def test_while_the_provider_is_down_a_held_token_serves_and_who_has_none_sends_nothing(
    omegaai, papers, some, monkeypatch
):
    monkeypatch.setenv("OMEGAAI_SECRET", SECRET)
    token_source.cache_clear()

    async def store(peer):
        return [outcome async for outcome in peer.store(some[:2])]

    with _guarded(omegaai, papers) as (_, base, came):
        with running(papers) as provider:
            peer = _peer(base, provider, papers)
            before = asyncio.run(_with(peer, store))
        held = asyncio.run(_with(peer, store))
        token_source.cache_clear()
        count = len(came)
        without = asyncio.run(_with(_peer(base, provider, papers), store))
        dimse = asyncio.run(station(omegaai).echo())

    assert {outcome.verdict for outcome in [*before, *held]} == {Verdict.SUCCESS}
    assert {outcome.verdict for outcome in without} == {Verdict.UNANSWERED}
    assert without[0].words.startswith("no access token")
    assert len(came) == count, "nothing left without a token"
    assert dimse.verdict is Verdict.SUCCESS, "who needs no token is not concerned"
