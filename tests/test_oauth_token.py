"""Access tokens from an OpenID provider that others wrote, over TLS, mounted where Azure AD B2C has its own."""

import asyncio
import base64
import json
import logging
import os
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.fhir_sender import FhirSender
from connectors.oauth_token import BETWEEN_REJECTIONS, Grant, TokenSource, token_source
from messages.lifecycle import Event
from simulators.omegaai import OmegaAI
from tests.fhir_sender_kit import deliver, update
from tests.node_peers import peer

API = "https://contoso.onmicrosoft.com/omegaai"
SECRET = "first-secret-0123456789"
LIFETIME = 3600


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    def __init__(self, running, ca_file) -> None:
        self._running = running
        self.ca_file = ca_file
        self.issuer = running.first["issuer"]
        self.port = running.first["listening"]

    @property
    def calls(self) -> int:
        """Tokens that were asked for."""
        return sum(line.get("url", "").endswith("/token") for line in self._running.said)

    def change_secret(self, secret) -> None:
        self._running.tell({"secret": secret}, "changed")

    def change_certificate(self, certificate) -> None:
        self._running.tell({"certificate": certificate}, "changed")

    def grant(self, **settings):
        given = {
            "authority": self.issuer.removesuffix("/v2.0"), "client_id": "plugin-host", "scope": f"{API}/.default",
            "client_secret": "${secret:OMEGAAI_SECRET}", "ca_file": self.ca_file,
        }  # fmt: skip
        return Grant(**(given | settings))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """Certificate, key and authority of 127.0.0.1, as files."""
    folder = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "cert.pem", folder / "key.pem", str(folder / "ca.pem")


@contextmanager
def running(files, port=0):
    certificate, key, ca_file = files
    with peer("oidc_provider.mjs", certificate, key, port) as process:
        yield Provider(process, ca_file)


@pytest.fixture(scope="module")
def shared(files):
    with running(files) as provider:
        yield provider


@pytest.fixture
def provider(shared, monkeypatch):
    monkeypatch.setenv("OMEGAAI_SECRET", SECRET)
    shared.change_secret(SECRET)
    token_source.cache_clear()  # each test is a process of its own
    return shared


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def get(source, rejected=None):
    return asyncio.run(source.token(rejected))


# -- whom it is asked of ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["authority", "oidc_authority"])
def test_a_token_comes_from_an_authority_shaped_like_b2c_and_from_any_openid_provider(provider, shape):
    place = {"authority": None, "oidc_authority": None}
    place[shape] = provider.issuer if shape == "oidc_authority" else provider.issuer.removesuffix("/v2.0")
    told = claims(get(TokenSource(provider.grant(**place))))
    assert (told["aud"], told["tfp"]) == (API, "b2c_1_plugin_host")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"authority": None}, "one of authority and oidc_authority must be given"),
        ({"oidc_authority": "https://a/b"}, "one of authority and oidc_authority must be given, and only one"),
        ({"authority": "http://login.example.org/tenant"}, "authority must be https"),
        ({"authority": "https://login.example.org"}, "authority must be https://HOST/TENANT"),
        ({"authority": "https://t.b2clogin.com/t.onmicrosoft.com/b2c_1/v2.0"}, "authority must not end in /v2.0"),
        ({"client_secret": "S3CR3T-CANARY"}, "a secret is written"),
    ],
)
def test_a_grant_that_msal_would_stumble_over_is_told_before(settings, why):
    given = {"authority": "https://a/b", "client_id": "c", "client_secret": "${secret:X}", "scope": "s"}
    with pytest.raises(ValueError, match=why) as error:
        Grant(**(given | settings))
    assert "CANARY" not in str(error.value)


def test_a_provider_whose_certificate_is_not_trusted_gets_no_secret(provider, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", provider.ca_file)  # must not outweigh what the site says
    before = provider.calls
    with pytest.raises(ConnectionError, match="the identity provider cannot be used"):
        get(TokenSource(provider.grant(ca_file=None)))
    assert provider.calls == before


# -- how long it counts -------------------------------------------------------------------------------------


def test_a_token_serves_until_a_minute_before_its_end(provider):
    clock = Clock()
    source = TokenSource(provider.grant(), clock)
    before = provider.calls
    first = get(source)
    clock.now += LIFETIME - 61
    assert get(source) == first
    clock.now += 2
    assert get(source) != first
    assert provider.calls - before == 2


def test_many_who_need_a_token_at_once_ask_for_one(provider):
    source = TokenSource(provider.grant())
    before = provider.calls

    async def many():
        return await asyncio.gather(*[source.token() for _ in range(20)])

    assert len(set(asyncio.run(many()))) == 1
    assert provider.calls - before == 1


def test_connections_with_the_same_grant_share_a_token(provider):
    assert token_source(provider.grant()) is token_source(provider.grant())
    assert token_source(provider.grant()) is not token_source(provider.grant(scope="another"))


def test_a_rejected_token_is_exchanged_once_and_not_again_at_once(provider):
    clock = Clock()
    source = TokenSource(provider.grant(), clock)
    first = get(source)
    second = get(source, rejected=first)
    assert second != first
    assert get(source, rejected=first) == second  # another connection had the old one
    before = provider.calls
    assert get(source, rejected=second) == second  # it is not the token's fault
    assert provider.calls == before
    clock.now += BETWEEN_REJECTIONS
    assert get(source, rejected=second) != second


def test_a_changed_secret_counts_from_the_next_token_on(provider, monkeypatch):
    clock = Clock()
    source = TokenSource(provider.grant(), clock)
    get(source)
    provider.change_secret("second-secret-0123456789")
    clock.now += LIFETIME
    with pytest.raises(ConnectionError, match=r"the identity provider refuses \(invalid_client\)"):
        get(source)
    monkeypatch.setenv("OMEGAAI_SECRET", "second-secret-0123456789")
    clock.now += 60
    assert claims(get(source))["aud"] == API


def test_a_certificate_stands_in_for_a_shared_secret(provider, tmp_path, monkeypatch):
    certificate, key = own_certificate()
    (tmp_path / "own.pem").write_text(certificate)
    monkeypatch.setenv("OMEGAAI_SECRET", key)
    provider.change_certificate(certificate)
    source = TokenSource(provider.grant(certificate_file=str(tmp_path / "own.pem")))
    assert claims(get(source))["aud"] == API


def own_certificate():
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "plugin-host")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today)
        .not_valid_after(today + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), key.private_bytes(*pkcs8).decode()


# -- while the provider is down -----------------------------------------------------------------------------


def test_while_the_provider_is_down_a_token_serves_to_its_end_and_calls_are_spaced(files, monkeypatch):
    monkeypatch.setenv("OMEGAAI_SECRET", SECRET)
    clock = Clock()
    with running(files) as provider:
        source = TokenSource(provider.grant(), clock)
        token = get(source)
    with black_hole(provider.port) as calls:
        clock.now += LIFETIME - 60
        for _ in range(59):  # a minute, second by second
            assert get(source) == token
            clock.now += 1.0
        assert len(calls) == 6  # after 1, 2, 4, 8, 16 and 32 s
        clock.now += 1.0
        for _ in range(540):  # the rest of ten minutes
            with pytest.raises(ConnectionError, match="no access token"):
                get(source)
            clock.now += 1.0
        assert len(calls) <= 6 + 540 / 60 + 1
    with running(files, provider.port):
        clock.now += 60
        assert get(source) != token


@contextmanager
def black_hole(port):
    """Take connections at a port and hang up on each; gives the list of them."""
    calls = []
    listening = socket.create_server(("127.0.0.1", port))

    def take():
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            calls.append(line.getpeername())
            line.close()

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield calls
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


# -- with the FHIR sender -----------------------------------------------------------------------------------


def oauth(provider):
    return {
        "oidc_authority": provider.issuer, "client_id": "plugin-host", "scope": f"{API}/.default",
        "client_secret": "${secret:OMEGAAI_SECRET}", "authority_ca_file": provider.ca_file,
    }  # fmt: skip


def test_a_call_that_is_answered_with_401_is_made_again_with_a_new_token(provider):
    with OmegaAI(["accept", "401"]) as omegaai:
        (reply,) = deliver(omegaai, update("F-77", status="booked"), **oauth(provider))
        tokens = [request.headers["authorization"] for request in omegaai.requests]
    assert reply.event is Event.ACCEPTED
    assert tokens[0] == tokens[1] != tokens[2]
    assert all(token.startswith("Bearer ey") for token in tokens)


def test_a_server_that_rejects_every_token_is_not_asked_for_ever(provider):
    with OmegaAI(["401*9"]) as omegaai:
        change = update("F-77", status="booked")
        replies = deliver(omegaai, change, change, **oauth(provider))
        asked = len(omegaai.requests)
    assert [reply.event for reply in replies] == [Event.DEFERRED, Event.DEFERRED]
    assert asked == 3  # with the first token, with a new one, and with that one for the second message


def test_without_a_token_nothing_leaves(provider, monkeypatch):
    monkeypatch.delenv("OMEGAAI_SECRET")
    with OmegaAI() as omegaai, pytest.raises(ConnectionError, match="secret OMEGAAI_SECRET: no environment variable"):
        deliver(omegaai, update("F-77", status="booked"), **oauth(provider))
    assert omegaai.requests == []


def test_both_over_tls_and_the_servers_certificate_is_verified(provider, files, authority):
    certificate, key, ca_file = files
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    with OmegaAI(tls=tls) as omegaai:
        (reply,) = deliver(omegaai, update("F-77", status="booked"), ca_file=ca_file, **oauth(provider))
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            deliver(omegaai, update("F-77", status="booked"), **oauth(provider))
    assert reply.event is Event.ACCEPTED


def test_a_server_that_wants_a_certificate_of_ours_gets_it(files, authority):
    certificate, key, ca_file = files
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca_file)
    tls.load_cert_chain(certificate, key)
    tls.verify_mode = ssl.CERT_REQUIRED
    own = {"certificate_file": str(certificate), "key_file": str(key)}
    with OmegaAI(tls=tls) as omegaai:
        (reply,) = deliver(omegaai, update("F-77", status="booked"), ca_file=ca_file, **own)
        with pytest.raises(ConnectionError):
            deliver(omegaai, update("F-77", status="booked"), ca_file=ca_file)
    assert reply.event is Event.ACCEPTED


# -- secrets ------------------------------------------------------------------------------------------------


def test_neither_secret_nor_token_is_told(provider, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    source = TokenSource(provider.grant())
    token = get(source)
    monkeypatch.setenv("OMEGAAI_SECRET", "WRONG-SECRET-CANARY-0123")
    with pytest.raises(ConnectionError) as error:
        get(TokenSource(provider.grant()))
    sender = FhirSender(base="https://127.0.0.1/fhir", **oauth(provider))
    told = [caplog.text, str(error.value), repr(error.value), repr(source), repr(vars(source)), repr(sender)]
    for secret in (SECRET, token, "CANARY", "client_secret="):
        assert not [text for text in told if secret in text]


@pytest.mark.skipif(os.name != "posix", reason="other systems guard files by access lists")
@pytest.mark.parametrize(("mode", "reads"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_a_secret_in_a_file_is_read_only_if_nobody_else_can(provider, tmp_path, monkeypatch, mode, reads):
    monkeypatch.delenv("OMEGAAI_SECRET")
    file = tmp_path / "OMEGAAI_SECRET"
    file.write_text(f"{SECRET}\n")
    file.chmod(mode)
    source = TokenSource(provider.grant(secrets_folder=str(tmp_path)))
    if reads:
        assert claims(get(source))["aud"] == API
    else:
        with pytest.raises(ConnectionError, match="others may read its file; chmod 600 it"):
            get(source)
