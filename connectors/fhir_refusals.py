"""Everything that the FHIR door refuses by itself, as one table: status, code, words. No value of a message is in it.

What the channels refuse comes as `Problems` from `Intake.accept`. docs/fhir-intake.md has the same table; a test
compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from messages.problem import Problem, Problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An HTTP status and the one issue of its OperationOutcome."""

    status: int
    #: Stable code for programs, in `issue.details.coding`.
    code: str
    #: FHIR issue-type (http://hl7.org/fhir/R4/valueset-issue-type.html).
    issue_type: str
    text: str
    #: FHIRPath of what is meant; None when it is the request as a whole.
    expression: str | None = None
    #: Seconds to wait before sending again; None where the same request cannot succeed.
    retry_after: int | None = None
    #: Where the request ends is unknown or not worth reading: nothing more is read from this connection.
    hang_up: bool = False

    @property
    def final(self) -> bool:
        """The same request will be refused again; otherwise it is to be sent again, unchanged."""
        return self.status not in {408, 500, 503}

    @property
    def problems(self) -> Problems:
        """The refusal as it is recorded and shown."""
        return Problems(
            [Problem(code=self.code, text=self.text, expression=self.expression, issue_type=self.issue_type)]
        )


HTTP_INVALID = Refusal(
    status=400,
    code="HTTP_INVALID",
    issue_type="structure",
    text="The HTTP request cannot be read: its request line, headers or framing break RFC 9112.",
    hang_up=True,
)
IDEMPOTENCY_KEY_INVALID = Refusal(
    status=400,
    code="IDEMPOTENCY_KEY_INVALID",
    issue_type="value",
    text="Idempotency-Key must be 1 to 200 printable ASCII characters.",
)
TOKEN_MISSING = Refusal(
    status=401,
    code="TOKEN_MISSING",
    issue_type="login",
    text="This door asks for a token: Authorization: Bearer TOKEN, once.",
)
TOKEN_REFUSED = Refusal(
    status=401,
    code="TOKEN_REFUSED",
    issue_type="login",
    text="The token does not count here. Get another one and send the same request again.",
)
TOKEN_WITHOUT_SCOPE = Refusal(
    status=403,
    code="TOKEN_WITHOUT_SCOPE",
    issue_type="forbidden",
    text="The token is sound, but has none of the scopes or roles that this door asks for.",
)
NOT_FOUND = Refusal(
    status=404,
    code="NOT_FOUND",
    issue_type="not-found",
    text="There is nothing here; the CapabilityStatement at /metadata names what there is.",
)
TASK_UNKNOWN = Refusal(
    status=404,
    code="TASK_UNKNOWN",
    issue_type="not-found",
    text="No accepted message has this id, or it has been removed after its time.",
)
METHOD_NOT_ALLOWED = Refusal(
    status=405,
    code="METHOD_NOT_ALLOWED",
    issue_type="not-supported",
    text="This address does not take this method; the Allow header names those it takes.",
)
NOT_ACCEPTABLE = Refusal(
    status=406,
    code="NOT_ACCEPTABLE",
    issue_type="not-supported",
    text="Answers are application/fhir+json (fhirVersion=4.0) or application/json; Accept or _format asks for another.",
)
HEAD_LATE = Refusal(
    status=408,
    code="HEAD_LATE",
    issue_type="timeout",
    text="The head of the request did not come in time.",
    hang_up=True,
)
BODY_LATE = Refusal(
    status=408,
    code="BODY_LATE",
    issue_type="timeout",
    text="The body of the request did not come whole in time; nothing was stored.",
    hang_up=True,
)
BODY_CUT_OFF = Refusal(  # recorded only: nobody is there any more to be answered
    status=408,
    code="BODY_CUT_OFF",
    issue_type="incomplete",
    text="The connection ended before the body of the request was whole; nothing was stored.",
    hang_up=True,
)
IDENTITY_CONFLICT = Refusal(
    status=409,
    code="IDENTITY_CONFLICT",
    issue_type="conflict",
    text="Other content came before with the same identity (Idempotency-Key, Bundle.identifier); nothing was stored.",
)
BODY_TOO_LARGE = Refusal(
    status=413,
    code="BODY_TOO_LARGE",
    issue_type="too-long",
    text="The body of the request is larger than this door allows.",
    hang_up=True,
)
MEDIA_TYPE_UNSUPPORTED = Refusal(
    status=415,
    code="MEDIA_TYPE_UNSUPPORTED",
    issue_type="not-supported",
    text="Content-Type must be application/fhir+json or application/json; parameters: fhirVersion=4.0, charset=utf-8.",
)
CONTENT_ENCODING_UNSUPPORTED = Refusal(
    status=415,
    code="CONTENT_ENCODING_UNSUPPORTED",
    issue_type="not-supported",
    text="Content-Encoding must be identity or absent: compressed bodies are not read.",
)
RESOURCE_UNSUPPORTED = Refusal(
    status=422,
    code="RESOURCE_UNSUPPORTED",
    issue_type="not-supported",
    text="This address does not take this type of resource; the CapabilityStatement at /metadata names those it takes.",
    expression="resourceType",
)
BUNDLE_TYPE_UNSUPPORTED = Refusal(
    status=422,
    code="BUNDLE_TYPE_UNSUPPORTED",
    issue_type="not-supported",
    text="A Bundle must be of type transaction, batch, message or collection; for $process-message of type message.",
    expression="Bundle.type",
)
HEAD_TOO_LARGE = Refusal(
    status=431,
    code="HEAD_TOO_LARGE",
    issue_type="too-long",
    text="Request line and headers are larger than this door allows.",
    hang_up=True,
)
HOST_ERROR = Refusal(
    status=500,
    code="HOST_ERROR",
    issue_type="exception",
    text="An error of this host. The message may or may not be stored: send it again with the same identity.",
)
TRANSFER_ENCODING_UNSUPPORTED = Refusal(
    status=501,
    code="TRANSFER_ENCODING_UNSUPPORTED",
    issue_type="not-supported",
    text="Transfer-Encoding must be chunked or absent.",
    hang_up=True,
)
TOKEN_UNCHECKED = Refusal(
    status=503,
    code="TOKEN_UNCHECKED",
    issue_type="transient",
    text="The token cannot be checked now: its issuer does not give its keys. Send it again later.",
    retry_after=5,
)
STORE_UNAVAILABLE = Refusal(
    status=503,
    code="STORE_UNAVAILABLE",
    issue_type="transient",
    text="The message could not be stored now. Keep it and send it again with the same identity.",
    retry_after=5,
)
TOO_MANY_CONNECTIONS = Refusal(
    status=503,
    code="TOO_MANY_CONNECTIONS",
    issue_type="throttled",
    text="Too many connections are open. Nothing was read: send it again later.",
    retry_after=1,
    hang_up=True,
)
TOO_MUCH_AT_ONCE = Refusal(
    status=503,
    code="TOO_MUCH_AT_ONCE",
    issue_type="throttled",
    text="Too many large bodies are coming in at once. Nothing was stored: send it again later.",
    retry_after=1,
    hang_up=True,
)
CLOSING = Refusal(
    status=503,
    code="CLOSING",
    issue_type="transient",
    text="This host is closing. The message may or may not be stored: send it again with the same identity.",
    retry_after=5,
    hang_up=True,
)

#: All of the above, for the documentation and its test.
REFUSALS: tuple[Refusal, ...] = (
    HTTP_INVALID,
    IDEMPOTENCY_KEY_INVALID,
    TOKEN_MISSING,
    TOKEN_REFUSED,
    TOKEN_WITHOUT_SCOPE,
    NOT_FOUND,
    TASK_UNKNOWN,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    HEAD_LATE,
    BODY_LATE,
    BODY_CUT_OFF,
    IDENTITY_CONFLICT,
    BODY_TOO_LARGE,
    MEDIA_TYPE_UNSUPPORTED,
    CONTENT_ENCODING_UNSUPPORTED,
    RESOURCE_UNSUPPORTED,
    BUNDLE_TYPE_UNSUPPORTED,
    HEAD_TOO_LARGE,
    HOST_ERROR,
    TRANSFER_ENCODING_UNSUPPORTED,
    TOKEN_UNCHECKED,
    STORE_UNAVAILABLE,
    TOO_MANY_CONNECTIONS,
    TOO_MUCH_AT_ONCE,
    CLOSING,
)
