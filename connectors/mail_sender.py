"""Mails the address of the share page by SMTP: a link without any identifier, and nothing of patient or study.

Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 5322 (the message), RFC 4954 (AUTH).
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from connectors.http import tls_context
from connectors.secret import read_secret
from connectors.share_base import Refused

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(kw_only=True)
class MailSender:
    """Sends a link to one address. See `connectors.share_base.Mailer`."""

    host: str = field(metadata={"help": "Name or address of the SMTP server."})
    port: int = field(default=587, metadata={"help": "Its TCP port."})
    security: Literal["starttls", "tls", "none"] = field(
        default="starttls", metadata={"help": "starttls, tls from the first byte, or none (this machine only)."}
    )
    ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust; empty: the system's."}
    )
    user: str | None = field(default=None, metadata={"help": "Name to sign in with; empty: none."})
    password: str | None = field(
        default=None, repr=False, metadata={"secret": True, "help": "${secret:NAME}: the password that goes with user."}
    )
    secrets_folder: str | None = field(
        default=None, metadata={"help": "Folder of secrets: files of mode 0600, named like the secret."}
    )
    sender: str = field(metadata={"help": "Address that the mail is from, such as no-reply@clinic.example."})
    subject: str = field(
        default="A medical study was shared with you",
        metadata={"help": "Subject of the mail: the same for everybody; it names no patient."},
    )
    text: str = field(
        default="A medical study was shared with you. Open it here until {until}:\n\n{link}\n\n"
        "You will be asked to prove who you are.\n",
        metadata={"help": "Text of the mail, with {link} and {until} in it."},
    )
    answer_within: float = field(default=30.0, metadata={"help": "Seconds to wait for each answer of the server."})

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be; never repeats a secret.
        """
        if self.security == "none" and self.host not in _LOOPBACK:
            raise ValueError("security none is for this machine only: write starttls or tls")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if "{link}" not in self.text:
            raise ValueError("text must hold {link}")
        if any(mark in self.subject for mark in "\r\n"):
            raise ValueError("subject must be one line")

    async def send(self, to: str, link: str, expires: str, reference: str) -> None:
        """See `Mailer.send`."""
        await asyncio.to_thread(self._send, self._message(to, link, expires, reference))

    def _message(self, to: str, link: str, expires: str, reference: str) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["Subject"] = self.sender, self.subject
        message["To"] = Address(addr_spec=to)
        message["Date"] = formatdate(localtime=False)
        # The same at every try, so that a receiver may drop a second copy.
        message["Message-ID"] = f"<{reference}@plugin-host>"
        message["Auto-Submitted"] = "auto-generated"
        # Replaced, not formatted: a text of the site is no template that could reach further.
        message.set_content(self.text.replace("{link}", link).replace("{until}", expires))
        return message

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()))[0]
            _raise(code, "the recipient")
        except smtplib.SMTPResponseException as error:
            _raise(error.smtp_code, "the mail")
        except smtplib.SMTPNotSupportedError:
            raise Refused("the mail server lacks what the settings ask for") from None
        except smtplib.SMTPException as error:
            raise ConnectionError(f"the mail server broke off ({type(error).__name__})") from None

    def _connected(self) -> smtplib.SMTP:
        tls = None if self.security == "none" else tls_context(self.ca_file)
        server = self._greeted(tls)
        try:
            if self.security == "starttls" and tls is not None:
                server.starttls(context=tls)
            if self.user is not None and self.password is not None:
                server.login(self.user, read_secret(self.password, self.secrets_folder))
        except BaseException:
            with suppress(OSError, smtplib.SMTPException):
                server.close()
            raise
        return server

    def _greeted(self, tls: ssl.SSLContext | None) -> smtplib.SMTP:
        if self.security == "tls" and tls is not None:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.answer_within, context=tls)
        return smtplib.SMTP(self.host, self.port, timeout=self.answer_within)


def _raise(code: int, what: str) -> None:
    """Raise by the class of a reply: 4yz may be tried again, 5yz not (RFC 5321 4.2.1). Its words are not repeated."""
    if 400 <= code < 500:
        raise ConnectionError(f"the mail server takes {what} not now ({code})")
    raise Refused(f"the mail server refuses {what} ({code})")
