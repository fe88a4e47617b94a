"""The FHIR door that asks for tokens: which count, which do not, and where their keys come from."""

from __future__ import annotations

import asyncio
import base64
import doctest
import functools
import json
import time
import urllib.parse
import urllib.request

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from connectors import token_check
from connectors.fhir_guard import Guard
from connectors.fhir_listener import FhirListener
from connectors.http import tls_context
from connectors.token_check import Issuer, KeysUnavailable, TokenCheck, TokenRefused
from tests.fhir_listener_kit import CANARY, DictIntake, Door, appointment
from tests.node_peers import peer

ISSUER = "https://clinic.b2clogin.com/0f1e2d3c-0000-4000-8000-000000000000/v2.0/"
AUDIENCE, SCOPE, POLICY = "door", "Appointments.Write", "b2c_1a_services"
DISCOVERY = "https://clinic.b2clogin.com/clinic.onmicrosoft.com/b2c_1a_services/v2.0/.well-known/openid-configuration"


def rsa_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


OURS, STRANGER = rsa_key(), rsa_key()
CURVE = ec.generate_private_key(ec.SECP256R1())


def jwk(key, kid, **more):
    algorithm = {rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm, ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm}
    cls = next(cls for kind, cls in algorithm.items() if isinstance(key, kind))
    return {**json.loads(cls.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


class Provider:
    """An issuer's documents; `asked` counts how often its keys were asked for."""

    def __init__(self, *keys):
        self.keys, self.asked, self.down = list(keys), 0, False

    def __call__(self, address):
        if self.down:
            raise ConnectionError("refused")
        if address == DISCOVERY:
            return {"issuer": ISSUER, "jwks_uri": "https://clinic.b2clogin.com/keys"}
        self.asked += 1
        return {"keys": self.keys}


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def provider():
    return Provider(jwk(OURS, "one"), jwk(CURVE, "curve"), jwk(OURS, "for-encryption", use="enc"))


@pytest.fixture
def check(provider, now):
    issuer = Issuer(DISCOVERY, provider, clock=lambda: now[0])
    return TokenCheck(issuer=issuer, audience=AUDIENCE, scopes=(SCOPE, "Door.Admin"), policies=(POLICY,))


def claims(**changes):
    at = int(time.time())
    whole = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "blume", "iat": at, "nbf": at, "exp": at + 3600, "tfp": POLICY,
        "scp": f"openid {SCOPE}",
    }  # fmt: skip
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def signed(key=OURS, algorithm="RS256", headers=None, kid="one", **changes):
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": kid, **(headers or {})})


@pytest.mark.parametrize(
    "token",
    [
        functools.partial(signed),
        functools.partial(signed, algorithm="PS256"),
        functools.partial(signed, CURVE, "ES256", kid="curve"),
        functools.partial(signed, scp=None, roles=["Door.Admin"]),
        functools.partial(signed, scp=None, scope=SCOPE),
        functools.partial(signed, tfp=None, acr=POLICY),
        lambda: signed(exp=int(time.time()) - 10, iat=int(time.time()) - 3600),  # clocks may differ
    ],
)
def test_a_token_that_says_what_it_must_counts(check, token):
    assert check.claims(token())["sub"] == "blume"


def forged(header, payload, signature=b"x" * 256):
    return ".".join(
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload, signature)
    )


def public_pem():
    return OURS.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip


def by_public_key_as_secret():
    """The old trick: a signature by a shared secret, which is the public key that everybody has."""
    header, payload = {"alg": "HS256", "kid": "one"}, claims()
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    head = forged(header, payload).rpartition(".")[0]
    return f"{head}.{base64.urlsafe_b64encode(algorithm.sign(head.encode(), public_pem())).rstrip(b'=').decode()}"


HOUR = 3600
#: When the tests were collected, which may be many minutes before they run: what depends on it has hours to spare.
AT = int(time.time())
BAD = {
    "empty": lambda: "",
    "a word": lambda: "token",
    "two dots": lambda: "..",
    "three parts of nothing": lambda: "a.b.c",
    "no JSON": lambda: forged(b"{", b"{"),
    "header is a list": lambda: forged([], claims()),
    "payload is a list": lambda: forged({"alg": "RS256", "kid": "one"}, []),
    "nul bytes": lambda: "\0.\0.\0",
    "not ASCII": lambda: f"é{signed()}",
    "four parts": lambda: f"{signed()}.x",
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "signature cut": lambda: signed()[:-10],
    "signature of another": lambda: signed().rpartition(".")[0] + "." + signed(sub="x").rpartition(".")[2],
    "payload changed": lambda: ".".join(
        [signed().split(".")[0], forged({}, claims(sub="x")).split(".")[1], signed().split(".")[2]]
    ),
    "a stranger's key": lambda: signed(STRANGER),
    "a stranger's key and id": lambda: signed(STRANGER, kid="two"),
    "encrypted": lambda: forged({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "one"}, claims()),
    "alg none": lambda: jwt.encode(claims(), None, "none", headers={"kid": "one"}),
    "alg None": lambda: forged({"alg": "None", "kid": "one"}, claims(), b""),
    "alg nOnE": lambda: forged({"alg": "nOnE", "kid": "one"}, claims(), b""),
    "alg empty": lambda: forged({"alg": "", "kid": "one"}, claims()),
    "no alg": lambda: forged({"kid": "one"}, claims()),
    "alg is a number": lambda: forged({"alg": 256, "kid": "one"}, claims()),
    "alg is a list": lambda: forged({"alg": ["RS256"], "kid": "one"}, claims()),
    "HS256 by the public key": by_public_key_as_secret,
    "HS512 by a guess": lambda: jwt.encode(claims(), "s" * 64, "HS512", headers={"kid": "one"}),
    "RS512": lambda: signed(algorithm="RS512"),
    "ES256 with an RSA key": lambda: signed(CURVE, "ES256"),
    "RS256 with a curve's key": lambda: signed(kid="curve"),
    "EdDSA": lambda: signed(ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    "no kid": lambda: jwt.encode(claims(), OURS, "RS256"),
    "kid empty": lambda: signed(kid=""),
    "kid is a path": lambda: signed(kid="../../etc/passwd"),
    "kid is SQL": lambda: signed(kid="one' OR '1'='1"),
    "key for encryption": lambda: signed(kid="for-encryption"),
    "jku": lambda: signed(headers={"jku": "https://evil.example/keys"}),
    "x5u": lambda: signed(headers={"x5u": "https://evil.example/chain"}),
    "jwk": lambda: signed(STRANGER, headers={"jwk": jwk(STRANGER, "one")}),
    "x5c": lambda: signed(headers={"x5c": ["MII"]}),
    "crit": lambda: signed(headers={"crit": ["exp"]}),
    "no iss": lambda: signed(iss=None),
    "iss of another tenant": lambda: signed(iss=ISSUER.replace("0f1e", "0f1f")),
    "iss without its slash": lambda: signed(iss=ISSUER.rstrip("/")),
    "iss over http": lambda: signed(iss=ISSUER.replace("https", "http")),
    "iss is a list": lambda: forged({"alg": "RS256", "kid": "one"}, claims(iss=[ISSUER])),
    "no aud": lambda: signed(aud=None),
    "aud of another": lambda: signed(aud="status-page"),
    "aud in other case": lambda: signed(aud="Door"),
    "two auds": lambda: signed(aud=[AUDIENCE, "status-page"]),
    "aud in a list": lambda: signed(aud=[AUDIENCE]),
    "aud is a number": lambda: signed(aud=7),
    "no exp": lambda: signed(exp=None),
    "expired": lambda: signed(exp=AT - 2 * HOUR, iat=AT - 3 * HOUR, nbf=AT - 3 * HOUR),
    "expired two minutes ago": lambda: signed(exp=AT - 120, iat=AT - HOUR, nbf=AT - HOUR),
    "exp is text": lambda: signed(exp="tomorrow"),
    "exp is far away": lambda: signed(exp=AT + 30 * HOUR),
    "exp without end": lambda: forged({"alg": "RS256", "kid": "one"}, claims(exp=1e400)),
    "not yet": lambda: signed(nbf=AT + 2 * HOUR),
    "no iat": lambda: signed(iat=None),
    "iat in the future": lambda: signed(iat=AT + 2 * HOUR, exp=AT + 3 * HOUR),
    "iat is text": lambda: signed(iat="now"),
    "no sub": lambda: signed(sub=None),
    "no policy": lambda: signed(tfp=None),
    "another policy": lambda: signed(tfp="b2c_1_sign_up"),
    "policy is a list": lambda: signed(tfp=[POLICY]),
    "no scope": lambda: signed(scp=None),
    "another scope": lambda: signed(scp="Appointments.Read"),
    "a scope's beginning": lambda: signed(scp="Appointments"),
    "scope in other case": lambda: signed(scp=SCOPE.lower()),
    "scope in an object": lambda: signed(scp={SCOPE: True}),
    "scope in a list of lists": lambda: signed(roles=[[SCOPE]], scp=None),
    "an ID token": lambda: signed(scp=None, nonce="n", preferred_username="ana"),
    "too long": lambda: signed(padding="x" * 9000),
}


@pytest.mark.parametrize("what", BAD)
def test_no_bad_token_counts(check, what):
    with pytest.raises(TokenRefused) as refused:
        check.claims(BAD[what]())
    assert len(str(refused.value)) < 60


def test_there_are_at_least_sixty_bad_tokens():
    assert len(BAD) >= 60


# -- keys -----------------------------------------------------------------------------------------------------


def test_keys_are_asked_for_once_and_a_made_up_key_id_asks_at_most_once_a_minute(check, provider, now):
    for _ in range(5):
        check.claims(signed())
    for n in range(20):
        with pytest.raises(TokenRefused):
            check.claims(signed(STRANGER, kid=f"made-up-{n}"))
    assert provider.asked == 1
    now[0] += 61
    for n in range(20):
        with pytest.raises(TokenRefused):
            check.claims(signed(STRANGER, kid=f"made-up-{n}"))
    assert provider.asked == 2


def test_a_new_key_counts_a_minute_later_at_most_and_a_key_that_was_withdrawn_an_hour_later(check, provider, now):
    check.claims(signed())
    provider.keys = [jwk(STRANGER, "two")]
    now[0] += 61
    assert check.claims(signed(STRANGER, kid="two"))
    with pytest.raises(TokenRefused, match="unknown"):
        check.claims(signed())


def test_while_the_issuer_is_down_its_keys_serve_for_a_day(check, provider, now):
    check.claims(signed())
    provider.down = True
    now[0] += 23 * HOUR
    assert check.claims(signed())
    now[0] += 2 * HOUR
    with pytest.raises(KeysUnavailable):
        check.claims(signed())
    provider.down = False
    now[0] += 61
    assert check.claims(signed())


@pytest.mark.parametrize(
    "change", [{"jwks_uri": "http://clinic.b2clogin.com/keys"}, {"jwks_uri": None}, {"issuer": None, "jwks_uri": 7}]
)
def test_an_issuer_that_says_nonsense_of_itself_has_no_keys(change):
    def fetch(address):
        return {"issuer": ISSUER, "jwks_uri": "https://x/keys", **change} if address == DISCOVERY else {"keys": []}

    with pytest.raises(KeysUnavailable):
        TokenCheck(issuer=Issuer(DISCOVERY, fetch), audience=AUDIENCE).claims(signed())


# -- the door -------------------------------------------------------------------------------------------------


def asked(guard, *values):
    headers = [(b"authorization", value) for value in values]
    return asyncio.run(guard.refusal({"headers": headers, "client": ("10.1.2.3", 5)}))


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ([], 401, "TOKEN_MISSING"),
        ([b"Basic YTpi"], 401, "TOKEN_MISSING"),
        ([b"Bearer"], 401, "TOKEN_MISSING"),
        ([b"Bearer a", b"Bearer b"], 401, "TOKEN_MISSING"),
        ([b"Bearer \xff\x00"], 401, "TOKEN_REFUSED"),
        ([b"Bearer " + signed(scp="x").encode()], 403, "TOKEN_WITHOUT_SCOPE"),
        ([b"bearer " + signed().encode()], None, None),
    ],
)
def test_the_guard_answers_as_rfc_6750_says_and_records_it(check, values, status, code):
    intake = DictIntake()
    guard = Guard(check=check, intake=intake)
    answer = asked(guard, *values)
    guard.close()

    assert (answer.status if answer else None) == status
    assert [problems[0].code for _, problems in intake.refusals] == [code] * bool(code)
    assert not answer or dict(answer.headers)[b"www-authenticate"].startswith(b"Bearer")


def test_while_no_key_can_be_had_the_sender_is_told_to_come_back(check, provider):
    provider.down = True
    guard = Guard(check=check, intake=DictIntake())
    answer = asked(guard, b"Bearer " + signed().encode())
    guard.close()

    assert (answer.status, dict(answer.headers)[b"retry-after"]) == (503, b"5")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """An OpenID provider of others at a path as B2C has it, its authority's certificate, and a token of it."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with peer("oidc_provider.mjs", folder / "cert.pem", folder / "key.pem") as running:
        issuer = running.first["issuer"]
        form = {
            "grant_type": "client_credentials", "client_id": "plugin-host", "client_secret": "first-secret-0123456789",
            "scope": "https://contoso.onmicrosoft.com/omegaai/.default",
        }  # fmt: skip
        asks = urllib.request.Request(f"{issuer}/token", urllib.parse.urlencode(form).encode())
        with urllib.request.urlopen(asks, context=tls_context(str(folder / "ca.pem"))) as answer:
            yield issuer, str(folder / "ca.pem"), json.load(answer)["access_token"]


def test_a_sender_with_a_token_of_a_real_provider_is_let_in_and_no_other(real):
    issuer, ca_file, token = real
    settings = {
        "authority": issuer.removesuffix("/v2.0"), "audience": "https://contoso.onmicrosoft.com/omegaai",
        "scopes": ("https://contoso.onmicrosoft.com/omegaai/.default",), "policies": ("b2c_1_plugin_host",),
        "token_ca_file": ca_file,
    }  # fmt: skip
    with Door(DictIntake(), **settings) as door:
        let_in, _, _ = door.post(appointment(), Authorization=f"Bearer {token}")
        without, headers, body = door.post(appointment())
        broken, _, other = door.post(appointment(), Authorization=f"Bearer {token[:-8]}AAAAAAAA")
        task, _, _ = door.request("GET", f"/fhir/Task/{door.intake.messages[0].id}")
        known, _, statement = door.request("GET", "/fhir/metadata")
        recorded = door.recorded()

    assert (let_in, without, broken, task, known) == (202, 401, 401, 401, 200)
    assert headers["www-authenticate"] == "Bearer"
    assert recorded == ["TOKEN_MISSING", "TOKEN_REFUSED", "TOKEN_MISSING"]
    assert json.loads(statement)["rest"][0]["security"]["service"][0]["coding"][0]["code"] == "OAuth"
    assert token not in (body + other).decode()
    assert CANARY not in (body + other).decode()
    assert len(door.intake.messages) == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": "0.0.0.0"}, "certificate_file must be given"),
        ({"host": "10.1.0.5", "authority": "https://a.b2clogin.com/a/p", "audience": "a", "scopes": ("s",)}, "certif"),
        ({"host": "::", "certificate_file": "c", "key_file": "k"}, "client_ca_file, or authority"),
        ({"host": "door.clinic.example", "certificate_file": "c", "key_file": "k"}, "client_ca_file, or authority"),
        ({"authority": "https://a.b2clogin.com/a/p"}, "audience and scopes"),
        ({"authority": "https://a.b2clogin.com/a/p", "audience": "a"}, "audience and scopes"),
        ({"authority": "http://a.b2clogin.com/a/p", "audience": "a", "scopes": ("s",)}, "https"),
        ({"authority": "https://a/b", "oidc_authority": "https://a/b", "audience": "a", "scopes": ("s",)}, "only one"),
        ({"audience": "a"}, "who gives the tokens"),
    ],
)
def test_a_door_that_would_stand_open_to_others_is_refused_with_the_setting(settings, says):
    with pytest.raises(ValueError, match=says):
        FhirListener(port=0, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "insecure_open": "a lab without patients"},
        {"host": "0.0.0.0", "certificate_file": "c", "key_file": "k", "client_ca_file": "a"},
    ],
)
def test_a_door_for_this_machine_or_with_a_reason_is_taken(settings):
    assert FhirListener(port=0, **settings).port == 0


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(token_check).failed == 0
