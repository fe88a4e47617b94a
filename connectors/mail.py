"""E-mail out: one plain text to a few people by an SMTP server (RFC 5321, RFC 3207 for STARTTLS)."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

#: Seconds that each exchange with the server may take.
WITHIN = 20.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A server, and how it is spoken to."""

    host: str
    port: int
    #: starttls, tls, or off: to this machine only.
    tls: str
    user: str | None = None
    password: str | None = None
    #: Verifies the server; None only with `off`.
    context: ssl.SSLContext | None = None


def send(server: MailServer, sender: str, to: Sequence[str], subject: str, text: str) -> None:
    """Send a text; it returns when the server has taken it for all of `to`.

    Raises:
        ConnectionError: it was not taken, or not for everybody; the text names the kind of error only.
        ValueError: without TLS to another machine.
    """
    if server.tls == "off" and server.host not in LOOPBACK:
        raise ValueError("without TLS e-mail goes to this machine only")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), subject
    message["Date"] = formatdate(localtime=False)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers of absence
    message.set_content(text)
    try:
        with _connected(server) as link:
            if server.user is not None:
                link.login(server.user, server.password or "")
            if link.send_message(message):
                raise ConnectionError("the mail server did not take it for everybody")
    except smtplib.SMTPResponseException as error:  # its text is the server's
        raise ConnectionError(f"the mail server answered {error.smtp_code}") from None
    except smtplib.SMTPException as error:
        raise ConnectionError(f"the mail server did not take it ({type(error).__name__})") from None
    except OSError as error:
        if isinstance(error, ConnectionError) and error.errno is None:
            raise
        raise ConnectionError(f"the mail server cannot be reached ({type(error).__name__})") from None


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.tls == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=WITHIN, context=server.context)
    link = smtplib.SMTP(server.host, server.port, timeout=WITHIN)
    if server.tls == "starttls":
        try:
            link.starttls(context=server.context)
        except BaseException:
            link.close()
            raise
    return link
