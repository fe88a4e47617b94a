"""The FHIR door opens and closes: port, settings, certificates, what is in flight."""

import asyncio
import contextlib
import http.client
import signal
import socket
import ssl
import subprocess

import pytest

from connectors import fhir_refusals as refusals
from connectors.fhir_listener import FhirListener
from tests.fhir_listener_kit import ORDER, DictIntake, Door, answers, appointment, exchange, post, refused, shown


@pytest.fixture
def intake():
    return DictIntake()


def test_closing_finishes_what_is_in_flight_and_takes_nothing_new(intake):
    intake.gate = asyncio.Event()
    with Door(intake) as door, door.connect() as peer, door.connect():
        peer.sendall(post())
        assert intake.entered.wait(10)
        door.close()
        with contextlib.suppress(ConnectionRefusedError):
            while True:  # until the port is closed
                door.connect().close()
        door.call(intake.gate.set)

        assert [(status, headers["connection"]) for status, headers, _ in answers(peer)] == [(202, "close")]
    assert len(intake.messages) == 1


def test_closing_does_not_wait_for_ever_and_tells_the_sender(intake):
    intake.gate = asyncio.Event()
    with Door(intake, close_within=0) as door, door.connect() as peer:
        peer.sendall(post())
        assert intake.entered.wait(10)
        door.close()

        assert [shown(answer) for answer in answers(peer)] == [refused(refusals.CLOSING)]


def test_a_busy_port_is_named(intake):
    with Door(intake) as door:
        second = FhirListener(port=door.port)
        with pytest.raises(OSError, match=f"cannot listen at {door.host}:{door.port}: "):
            asyncio.run(second.serve(intake, print))


def test_the_port_is_free_again_after_closing(intake):
    with Door(intake) as door:
        assert door.post(appointment())[0] == 202
    with Door(intake, port=door.port) as again:
        assert again.post(appointment())[0] == 202


def test_signal_handlers_are_left_alone(intake):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def open_and_close():
        opened = asyncio.Event()
        serving = asyncio.create_task(FhirListener(port=0).serve(intake, lambda _: opened.set()))
        await opened.wait()
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        return during

    with asyncio.Runner() as runner:
        runner.get_loop()
        during = runner.get_loop().run_until_complete(open_and_close())

    assert during == before


def test_ipv6_has_its_own_spelling(intake):
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with Door(intake, host="::1") as door:
        assert door.address.startswith("[::1]:")


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"path": "fhir"}, "path must begin with /"),
        ({"base_url": "door/fhir"}, "base_url must be an absolute"),
        ({"certificate_file": "a.pem"}, "certificate_file and key_file belong together"),
        ({"client_ca_file": "a.pem"}, "client_ca_file needs certificate_file"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, wrong):
    with pytest.raises(ValueError, match=wrong):
        FhirListener(port=0, **settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: it serves as ours, and as the client's with its authority."""
    folder = tmp_path_factory.mktemp("tls")
    key, pem = folder / "key.pem", folder / "certificate.pem"
    name = ["-subj", "/CN=door", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*new, "-keyout", key, "-out", pem, *name], check=True, capture_output=True)
    return str(pem), str(key)


def test_over_tls_only_clients_with_a_known_certificate_are_let_in(intake, certificate):
    pem, key = certificate
    trusting = ssl.create_default_context(cafile=pem)
    with Door(intake, certificate_file=pem, key_file=key, client_ca_file=pem) as door:
        stranger = http.client.HTTPSConnection(door.host, door.port, context=trusting, timeout=10)
        with contextlib.closing(stranger), pytest.raises((ssl.SSLError, ConnectionError)):
            exchange(stranger, "GET", "/fhir/metadata")
        trusting.load_cert_chain(pem, key)
        known = http.client.HTTPSConnection(door.host, door.port, context=trusting, timeout=10)
        with contextlib.closing(known):
            status, _, _ = exchange(known, "POST", "/fhir", ORDER, {"Content-Type": "application/fhir+json"})

    assert status == 202
