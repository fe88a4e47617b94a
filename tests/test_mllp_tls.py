"""MLLP over TLS: our sender and our listener let in only whom they trust."""

import asyncio
import shutil
import ssl
import subprocess

import pytest

from connectors.mllp_listener import MllpListener
from connectors.mllp_sender import MllpSender
from messages.lifecycle import Event
from tests.mllp_listener_kit import DictIntake, listening, message


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Certificates of two strangers, each its own authority: name -> (certificate file, key file)."""
    if not shutil.which("openssl"):
        pytest.fail("openssl is needed for this test: on Debian and Ubuntu, apt-get install openssl")
    folder = tmp_path_factory.mktemp("certificates")
    made = {}
    for name in ("powerserver", "host"):
        certificate, key = str(folder / f"{name}.pem"), str(folder / f"{name}-key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        made[name] = certificate, key
    return made


def deliver(port, **settings):
    async def one():
        sender = MllpSender(host="127.0.0.1", port=port, connect_within=5, answer_within=5, **settings)
        try:
            await sender.open()
            return (await sender.send(message("A1"), "A1")).event
        finally:
            await sender.close()

    return asyncio.run(one())


def test_a_message_goes_through_when_each_side_trusts_the_other(certificates):
    (certificate, key), (own, own_key) = certificates["powerserver"], certificates["host"]
    intake = DictIntake()
    with listening(intake, certificate_file=certificate, key_file=key, client_ca_file=own) as port:
        outcome = deliver(port, tls=True, ca_file=certificate, certificate_file=own, key_file=own_key)
    assert outcome is Event.ACCEPTED
    assert [accepted.body for accepted in intake.messages] == [message("A1")]


def test_a_receiver_whose_certificate_is_not_trusted_gets_nothing(certificates):
    certificate, key = certificates["powerserver"]
    intake = DictIntake()
    with (
        listening(intake, certificate_file=certificate, key_file=key) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        deliver(port, tls=True)
    assert (intake.messages, intake.refusals) == ([], [])


def test_a_sender_without_a_certificate_we_trust_is_not_let_in(certificates):
    (certificate, key), (own, _) = certificates["powerserver"], certificates["host"]
    intake = DictIntake()
    with (
        listening(intake, certificate_file=certificate, key_file=key, client_ca_file=own) as port,
        pytest.raises(OSError, match=r"(?i)certificate required|reset|hung up|broken pipe|lost"),
    ):
        deliver(port, tls=True, ca_file=certificate)
    assert intake.messages == []


def test_a_sender_that_speaks_no_tls_is_not_let_in(certificates):
    certificate, key = certificates["powerserver"]
    intake = DictIntake()
    with listening(intake, certificate_file=certificate, key_file=key) as port, pytest.raises(ConnectionError):
        deliver(port)
    assert intake.messages == []


def test_half_a_setting_is_refused():
    with pytest.raises(ValueError, match="certificate_file and key_file belong together"):
        MllpListener(port=0, certificate_file="x.pem")
    with pytest.raises(ValueError, match="client_ca_file needs certificate_file"):
        MllpListener(port=0, client_ca_file="x.pem")
