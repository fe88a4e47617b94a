"""A share with an OmegaAI that asks for tokens of an OpenID provider, both over TLS: rejected, renewed, provider down.

Expiry and rotation of secrets and certificates are held by tests/test_oauth_token.py: it is the same source of tokens.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager

import pytest
import trustme

from connectors.oauth_token import token_source
from messages.job_states import State
from tests.dicom import peers
from tests.node_peers import peer
from tests.share import kit

API = "https://contoso.onmicrosoft.com/omegaai"


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder / "cert.pem", folder / "key.pem", str(folder / "ca.pem")


@contextmanager
def provider(papers, port=0):
    """Run the provider; give its port and its issuer."""
    with peer("oidc_provider.mjs", *papers[:2], port) as running:
        yield running.first["listening"], running.first["issuer"]


def tokens(server):
    return [request.headers.get("authorization", "") for request in server.requests]


def test_a_share_takes_a_new_token_for_a_rejected_one_and_waits_alone_while_the_provider_is_down(
    papers, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("OMEGAAI_SECRET", "first-secret-0123456789")
    token_source.cache_clear()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*papers[:2])
    files = peers.study(tmp_path / "study", 2)
    with (
        kit.fhir(tls=tls) as server,
        peers.orthanc(tmp_path / "omegaai") as omegaai,
        peers.dcmqrscp(tmp_path / "ps", {peers.OMEGAAI: omegaai.port}) as powerserver,
    ):
        peers.fill(powerserver, files)
        with provider(papers) as (port, issuer):
            made = kit.settings(powerserver, omegaai, server)
            made["omegaai"] |= {
                "ca_file": papers[2], "oidc_authority": issuer, "client_id": "plugin-host", "scope": f"{API}/.default",
                "client_secret": "${secret:OMEGAAI_SECRET}", "authority_ca_file": papers[2],
            }  # fmt: skip
            site = kit.Site(store, made)
            server.add("401")
            number = site.ask(kit.task(kit.study_of(files)))
            site.run_to(number, State.SHARED)
            first, second, *others = tokens(server)
            assert first != second
            assert set(others) == {second}
            assert second.startswith("Bearer ey")

        token_source.cache_clear()  # as after a restart: there is no token, and nobody gives one
        asked = len(server.requests)
        again = site.ask(kit.task(kit.study_of(files), recipient=["cy@example.org"]))
        pulled = _pull(store, made, files)
        site.run(lambda: site.job(again).reason_code == "UNREACHABLE" and site.job(pulled).state is State.ARRIVED)
        assert site.job(again).state is State.RECEIVED
        assert len(server.requests) == asked

        with provider(papers, port):
            site.run_to(again, State.SHARED)
    assert len(server.records.all("Task")) == 2


def _pull(store, made, files):
    """Ask for a pull that needs no token; it runs beside the share."""
    settings = {name: made[name] for name in ("dicom", "commitment", "settle_after", "retry_after", "verify_within")}
    settings |= {"stations": ["powerserver"], "to": "OMEGAAI LINK"}
    pulls = kit.Site(store, settings, channel="pull-prior", kind="pull-prior")
    asked = kit.task(kit.study_of(files))
    del asked["focus"], asked["input"]
    return pulls.ask(asked)
