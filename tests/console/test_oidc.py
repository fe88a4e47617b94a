"""Sign-in by an OpenID provider that others wrote, over TLS, mounted where Azure AD B2C and Entra have theirs."""

from __future__ import annotations

import functools
import html
import http.cookiejar
import json
import re
import socket
import ssl
import urllib.parse
import urllib.request

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa

from channels.control import Control
from connectors.oauth_token import http_session
from connectors.token_check import Issuer, TokenCheck, discovery_address, fetch_with
from console.access import Visitor
from console.app import create_app
from console.oidc import Provider, SignIn, SignInRefused, visitor_of
from store import audit
from tests.node_peers import peer

from .conftest import describe

SECRET = "first-secret-0123456789"
ADDRESS = "https://console.clinic.example"
BACK = f"{ADDRESS}/sign-in/answer"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Certificate, key and authority of 127.0.0.1, as files."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "contoso.b2clogin.com", "contoso.ciamlogin.com")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    return folder


@pytest.fixture(scope="module")
def issuer(tls):
    with peer("oidc_sign_in.mjs", tls / "cert.pem", tls / "key.pem", BACK) as running:
        yield running.first["issuer"]


def provider(issuer: str, tls, shape: str = "oidc_authority", **settings) -> Provider:
    place = {"authority": issuer.removesuffix("/v2.0")} if shape == "authority" else {"oidc_authority": issuer}
    keys = Issuer(discovery_address(**place), fetch_with(str(tls / "ca.pem")))
    given = {
        "check": TokenCheck(issuer=keys, audience="status-page").claims,
        "client_id": "status-page", "client_secret": lambda: SECRET, "roles_claim": "extension_Roles",
        "roles": {"PluginHost.Operator": "operator", "PluginHost.Admin": "admin"}, "bodies": ["PluginHost.Bodies"],
        "http_client": functools.partial(http_session, str(tls / "ca.pem")), **place,
    }  # fmt: skip
    return Provider(**(given | settings))


def at_the_provider(tls, there: str, login: str) -> dict[str, str]:
    """Sign in at the provider's pages as a browser does; return the form that it sends back."""
    context = ssl.create_default_context(cafile=tls / "ca.pem")
    browser = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    page, where = there, there
    for form in ({"prompt": "login", "login": login, "password": "x"}, {"prompt": "consent"}, None):
        with browser.open(where) as answer:
            page, at = answer.read().decode(), answer.url
        if form is None or 'name="code"' in page or 'name="error"' in page:
            break
        target = urllib.parse.urljoin(at, html.unescape(re.search(r'action="([^"]+)"', page)[1]))
        with browser.open(target, urllib.parse.urlencode(form).encode()) as answer:
            page, where = answer.read().decode(), answer.url
        if 'name="code"' in page or 'name="error"' in page:
            break
    assert f'action="{BACK}"' in page
    fields = re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


@pytest.fixture
def outside(site, issuer, tls):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True, describe=describe,
        provider=provider(issuer, tls), address=ADDRESS,
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


def test_a_person_signs_in_at_the_provider_and_is_who_the_claims_say(outside, site, tls, all_that_is_logged):
    client, base = outside.test_client(), {"base_url": ADDRESS}
    assert client.get("/", **base).location == "/sign-in"
    assert 'href="/sign-in/provider"' in client.get("/sign-in", **base).text
    there = client.get("/sign-in/provider", **base)
    (flow,) = [c for c in there.headers.getlist("Set-Cookie") if c.startswith("plugin-host-sign-in=")]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(there.location).query)

    assert {"Secure", "HttpOnly", "Path=/sign-in", "SameSite=None", "Max-Age=600"} <= {
        p.strip() for p in flow.split(";")
    }
    assert (query["code_challenge_method"], query["response_mode"]) == (["S256"], ["form_post"])
    assert query["state"] != query["nonce"]

    form = at_the_provider(tls, there.location, "ana@clinic.example")
    page = client.post("/sign-in/answer", data=form, headers={"Origin": "https://elsewhere.example"}, **base)

    assert (page.status_code, "Signed in" in page.text) == (200, True)
    assert client.get("/account.json", **base).json == {
        "schema": 1, "name": "ana@clinic.example", "role": "operator", "bodies": True,
    }  # fmt: skip
    assert audit.entries(site.store.connection, what=["signed-in"])[0].who == "ana@clinic.example"
    code, state = form["code"], form["state"]
    with client.session_transaction(**base) as session:
        assert set(session) == {"token", "csrf"}
    assert not any(value in all_that_is_logged.text for value in (code, state, SECRET))

    again = client.post("/sign-in/answer", data=form, **base)
    assert again.status_code == 403


@pytest.mark.parametrize("shape", ["authority", "oidc_authority"])
def test_b2c_and_any_other_provider_are_told_by_their_addresses(issuer, tls, shape):
    sign_in = SignIn(provider(issuer, tls, shape))
    identifier, there = sign_in.begin(BACK)

    visitor = sign_in.end(identifier, at_the_provider(tls, there, "bea@clinic.example"))

    assert visitor == Visitor(name="bea@clinic.example", role="admin", bodies=False)


GUID = "0f1e2d3c-4b5a-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("authority", "mount", "name"),
    [
        (
            "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_sign_in",
            "/contoso.onmicrosoft.com/B2C_1_sign_in/v2.0",
            f"https://contoso.b2clogin.com/{GUID}/v2.0/",
        ),
        (
            "https://contoso.ciamlogin.com/",
            "/contoso.onmicrosoft.com/v2.0",
            f"https://{GUID}.ciamlogin.com/{GUID}/v2.0",
        ),
        (
            f"https://contoso.ciamlogin.com/{GUID}",
            f"/{GUID}/v2.0",
            f"https://{GUID}.ciamlogin.com/{GUID}/v2.0",
        ),
    ],
    ids=["Azure AD B2C", "Entra External ID", "Entra External ID with its tenant"],
)
def test_people_sign_in_where_the_authority_and_the_issuer_are_named_as_microsoft_names_them(
    tls, monkeypatch, authority, mount, name
):
    """The policy or tenant stands in the path, the issuer names the tenant by its GUID and is not the authority."""
    with peer("oidc_sign_in.mjs", tls / "cert.pem", tls / "key.pem", BACK, mount, name) as running:
        at_home = ("127.0.0.1", running.first["listening"])
        found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", at_home)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)  # the names' DNS
        keys = Issuer(discovery_address(authority=authority), fetch_with(str(tls / "ca.pem")))
        check = TokenCheck(issuer=keys, audience="status-page").claims
        sign_in = SignIn(provider("https://x/y", tls, authority=authority, oidc_authority=None, check=check))
        identifier, there = sign_in.begin(BACK)
        visitor = sign_in.end(identifier, at_the_provider(tls, there, "ana@clinic.example"))

    assert urllib.parse.urlsplit(there).hostname == urllib.parse.urlsplit(authority).hostname
    assert visitor == Visitor(name="ana@clinic.example", role="operator", bodies=True)


def another(token: str, how: str) -> str | None:
    """Return an ID token that somebody else made of a real one."""
    header, payload, signature = token.split(".")
    kid, claims = jwt.get_unverified_header(token)["kid"], jwt.decode(token, options={"verify_signature": False})
    return {
        "as it was": token,
        "taken away": None,
        "signed by a stranger": jwt.encode(
            claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256", headers={"kid": kid}
        ),
        "not signed": jwt.encode(claims, None, "none", headers={"kid": kid}),
        "signature taken away": f"{header}.{payload}.",
        "another person": jwt.encode({**claims, "preferred_username": "bea"}, None, "none").rpartition(".")[0]
        + f".{signature}",
    }[how]


@pytest.mark.parametrize(
    "how",
    ["as it was", "taken away", "signed by a stranger", "not signed", "signature taken away", "another person"],
)
def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(issuer, tls, how):
    """MSAL has taken any since 1.38; the first case shows that the exchange itself is sound."""

    def on_the_way(answer, *_, **__):
        if answer.request.method == "POST":
            said = answer.json()
            answer._content = json.dumps({**said, "id_token": another(said["id_token"], how)}).encode()

    def client():
        session = http_session(str(tls / "ca.pem"))
        session.hooks["response"].append(on_the_way)
        return session

    sign_in = SignIn(provider(issuer, tls, http_client=client))
    identifier, there = sign_in.begin(BACK)
    form = at_the_provider(tls, there, "ana@clinic.example")

    if how == "as it was":
        assert sign_in.end(identifier, form).name == "ana@clinic.example"
    else:
        with pytest.raises(SignInRefused):
            sign_in.end(identifier, form)


def test_an_id_token_for_another_program_lets_nobody_in(issuer, tls):
    keys = Issuer(discovery_address(oidc_authority=issuer), fetch_with(str(tls / "ca.pem")))
    sign_in = SignIn(provider(issuer, tls, check=TokenCheck(issuer=keys, audience="another-program").claims))
    identifier, there = sign_in.begin(BACK)

    with pytest.raises(SignInRefused, match="somebody else"):
        sign_in.end(identifier, at_the_provider(tls, there, "ana@clinic.example"))


@pytest.mark.parametrize(
    "change",
    [
        {"state": "x" * 16},
        {"state": ""},
        {"state": None},
        {"code": "x" * 43},
        {"code": ""},
        {"code": None},
        {"error": "access_denied", "code": None},
        {"id_token": "eyJhbGciOiJub25lIn0.e30.", "code": None},
    ],
    ids=str,
)
def test_an_answer_that_is_not_the_providers_lets_nobody_in(issuer, tls, change):
    sign_in = SignIn(provider(issuer, tls))
    identifier, there = sign_in.begin(BACK)
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(there).query)["state"][0]
    answer = {"state": state, "code": "y" * 43} | change

    with pytest.raises(SignInRefused):
        sign_in.end(identifier, {key: value for key, value in answer.items() if value is not None})


def test_an_answer_belongs_to_the_browser_that_began(issuer, tls):
    sign_in = SignIn(provider(issuer, tls))
    _, there = sign_in.begin(BACK)
    other, _ = sign_in.begin(BACK)
    form = at_the_provider(tls, there, "ana@clinic.example")

    with pytest.raises(SignInRefused):
        sign_in.end(other, form)
    with pytest.raises(SignInRefused, match="unknown or too late"):
        sign_in.end("nobody-began-this", form)


def test_a_sign_in_that_takes_too_long_has_to_begin_anew(issuer, tls):
    now = [0.0]
    sign_in = SignIn(provider(issuer, tls), clock=lambda: now[0])
    identifier, _ = sign_in.begin(BACK)
    now[0] = 601.0

    with pytest.raises(SignInRefused, match="unknown or too late"):
        sign_in.end(identifier, {"state": "x"})


def test_a_provider_whose_certificate_nobody_vouches_for_is_not_used(issuer, tls):
    sign_in = SignIn(provider(issuer, tls, http_client=functools.partial(http_session, None)))

    with pytest.raises(SignInRefused, match="SSLError"):
        sign_in.begin(BACK)


@pytest.mark.parametrize(
    ("claims", "role", "bodies"),
    [
        ({"extension_Roles": ["PluginHost.Operator"]}, "operator", False),
        ({"extension_Roles": "PluginHost.Operator,PluginHost.Admin"}, "admin", False),
        ({"extension_Roles": "PluginHost.Operator PluginHost.Bodies"}, "operator", True),
        ({"extension_Roles": ["PluginHost.Bodies"]}, None, False),
        ({"extension_Roles": ["pluginhost.admin"]}, None, False),
        ({"extension_Roles": [["PluginHost.Admin"]]}, None, False),
        ({"extension_Roles": {"PluginHost.Admin": 1}, "roles": ["PluginHost.Admin"]}, "admin", False),
        ({"roles": ["PluginHost.Admin"]}, None, False),
        ({"extension_Roles": "PluginHost.Admin", "preferred_username": ""}, None, False),
        ({"extension_Roles": "PluginHost.Admin", "preferred_username": "a\nb"}, None, False),
        ({"extension_Roles": "PluginHost.Admin", "preferred_username": None}, None, False),
    ],
    ids=str,
)
def test_a_role_comes_from_the_claim_that_the_site_names_and_from_no_other(tls, claims, role, bodies):
    given = {"preferred_username": "ana", **claims}
    if role is None:
        with pytest.raises(SignInRefused):
            visitor_of(provider("https://x/y", tls), given)
    else:
        found = visitor_of(provider("https://x/y", tls), given)
        assert (found.role, found.bodies) == (role, bodies)
