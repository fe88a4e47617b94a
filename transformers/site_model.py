"""The words of site.yaml, as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from transformers.mapping_words import Label, Part, Text

Day = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
#: A time such as `15m`, or `off`.
Every = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]*(s|m|h|d)|off)$")]


class Schedule(Part):
    """What the running host does by the clock."""

    resources: Every = Field(default="15m", description="compare the bookable resources (resource-sync.yaml)")
    doctor: Every = Field(default="1h", description="run all checks of plugin-host doctor")


class Declared(Part):
    """A fact that nobody can measure from here: who says so, and since when."""

    value: Any
    by: Text
    on: Day = Field(description="the day, as 2026-01-31")
    note: Text | None = None


class Doctor(Part):
    """What plugin-host doctor may do, and from when on it warns."""

    test_message: list[Text] = Field(default=[], description="MLLP stations that may be sent a test message")
    within: int = Field(default=5, ge=1, le=60, description="seconds that a probe may take")
    traffic_days: int = Field(default=7, ge=1, le=3660, description="days of stored messages whose codes are looked at")
    certificate_days: int = Field(default=30, ge=1, description="days before its end that a certificate is warned of")
    clock_seconds: int = Field(default=60, ge=1, description="seconds by which clocks may differ")
    free_gigabytes: int = Field(default=2, ge=0, description="space that must stay free for the store")


Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
WeekDay = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Secret = Annotated[str, StringConstraints(pattern=r"^\$\{secret:[A-Za-z_][A-Za-z0-9_]*\}$")]


class WorkingHours(Part):
    """When messages are expected, in the site's time zone."""

    days: list[WeekDay] = Field(default=["mon", "tue", "wed", "thu", "fri"])
    begin: Clock = "07:00"
    end: Clock = "19:00"


class Quiet(Part):
    """When only blockers are told; the rest is told afterwards, where it is not over by then."""

    begin: Clock = "22:00"
    end: Clock = "06:00"


class Mail(Part):
    """Whom alerts are sent to by e-mail, and by which server (SMTP, RFC 5321)."""

    host: Text
    port: int = Field(default=587, ge=1, le=65535)
    tls: Literal["starttls", "tls", "off"] = Field(default="starttls", description="off: to this machine only")
    sender: Text
    to: list[Text] = Field(min_length=1)
    user: Text | None = None
    password: Secret | None = Field(default=None, description="${secret:NAME}")
    ca_file: Text | None = Field(default=None, description="PEM file of the authorities to trust")


class Webhook(Part):
    """Where alerts are posted as JSON."""

    url: Annotated[str, StringConstraints(pattern=r"^(https://|http://(localhost|127\.0\.0\.1)[:/])[^\s?#@]+$")]
    token: Secret | None = Field(default=None, description="${secret:NAME}: sent as a bearer token")
    ca_file: Text | None = Field(default=None, description="PEM file of the authorities to trust")


class Alerts(Part):
    """When people are told, and how. What the doctor and the comparison of resources find is told, too."""

    every: Every = Field(default="1m", description="how often the channels are looked at")
    queue_age: Every = Field(default="15m", description="age of the oldest open delivery of a destination")
    queue_depth: int = Field(default=1000, ge=0, description="open deliveries of a destination; 0: off")
    error_percent: int = Field(default=10, ge=0, le=100, description="parked of what ended in two hours; 0: off")
    error_least: int = Field(default=5, ge=1, description="fewer parked deliveries than that are no alert")
    silence: dict[str, Every] = Field(default={}, description="channel: time without a message in working hours")
    working_hours: WorkingHours = WorkingHours()
    quiet: Quiet | None = None
    email: Mail | None = None
    webhook: Webhook | None = None
    secrets_folder: Text | None = Field(default=None, description="folder with the files of ${secret:…}")


#: Where an identity provider is: its keys come from there, so nobody on the way may change them.
Https = Annotated[str, StringConstraints(pattern=r"^https://[^\s?#@]+$")]


class SignIn(Part):
    """The identity provider with which people sign in to the status page (OpenID Connect)."""

    authority: Https | None = Field(default=None, description="Azure AD B2C or Entra External ID: https://HOST/TENANT…")
    oidc_authority: Https | None = Field(default=None, description="any OpenID provider, by its issuer")
    client_id: Text
    client_secret: Text | None = Field(default=None, description="${secret:NAME}; without it PKCE alone protects")
    secrets_folder: Text | None = None
    ca_file: Text | None = Field(default=None, description="PEM file of the authorities to trust")
    roles_claim: Text = Field(default="roles", description="claim of the ID token that holds the roles")
    roles: dict[str, Literal["viewer", "operator", "analyst", "admin"]] = Field(min_length=1)
    bodies: list[Text] = Field(default=[], description="values of the claim that bring the right to read messages")
    name_claim: Text = "preferred_username"


class Console(Part):
    """Where the console listens, and how people get in."""

    host: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    address: Text | None = Field(default=None, description="https:// address of a proxy by which browsers reach it")
    proxy: Text | None = Field(default=None, description="network address of that proxy, which says who asks")
    sign_in: SignIn | None = None
    metrics_token: Secret | None = Field(
        default=None, description="${secret:NAME}: opens /metrics to a scraper elsewhere"
    )
    secrets_folder: Text | None = Field(default=None, description="folder with the files of ${secret:…}")


class SiteName(Part):
    """The site itself."""

    name: Text
    time_zone: Text


class Retention(Part):
    """How long messages are kept once they are at rest. A resend is recognised as long as its message is kept."""

    days: int = Field(default=30, ge=7, le=3660)


class SiteFile(Part):
    """site.yaml: what is different at each site."""

    PARTS: ClassVar[dict[str, type[Part]]] = {
        "site": SiteName,
        "console": Console,
        "retention": Retention,
        "schedule": Schedule,
        "declared": Declared,
        "doctor": Doctor,
        "alerts": Alerts,
    }

    version: Annotated[Literal["1"], BeforeValidator(str)]
    site: SiteName
    data: Text = "data"
    console: Console = Console()
    retention: Retention = Retention()
    stations: dict[Label, dict[str, Any]] = Field(default={})
    dicom: dict[str, Any] | None = Field(default=None, description="the door for DICOM; without it none is opened")
    values: dict[str, Any] = Field(default={})
    schedule: Schedule = Schedule()
    declared: dict[str, Declared] = Field(default={})
    doctor: Doctor = Doctor()
    alerts: Alerts | None = Field(default=None, description="when people are told, and how; without it nobody is")
