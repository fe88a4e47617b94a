"""HTTP out: one request, one whole answer within its limits. The only module that imports httpx.

What goes wrong is said in the standard library's errors, without addresses or contents. Redirects are answers, not
followed; nothing is taken from the environment (proxies, .netrc, certificate variables): a site says what it means.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

# At DEBUG they write addresses and headers of every request; an address may name a person.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer as it came, its content decoded."""

    status: int
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one exchange may take."""

    #: Seconds until the connection stands.
    connect_within: float
    #: Seconds from the first byte sent to the last byte read.
    answer_within: float
    #: Bytes of an answer, after decompression.
    max_answer_bytes: int
    #: Seconds that an idle connection is kept for the next request.
    idle_within: float = 60.0


class HttpClient:
    """Requests to one server over a few connections that are kept open. To be used in one event loop."""

    def __init__(self, base: str, limits: Limits, tls: ssl.SSLContext | None = None, proxy: str | None = None) -> None:
        """`base` is the address that paths are put behind, without a slash at its end; https needs `tls`."""
        self._base = base
        self._limits = limits
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # the latter trusts nobody
            trust_env=False,
            proxy=proxy,
            limits=httpx.Limits(max_connections=4, keepalive_expiry=limits.idle_within),
        )

    async def ask(self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None) -> HttpAnswer:
        """Send a request to the base's `path` and return the answer, whatever its status.

        Raises:
            TimeoutError: no connection, or no whole answer, within the limits.
            ConnectionError: refused, cut off, not HTTP, longer than the limit or not decodable.
        """
        limits = self._limits
        timeout = {"connect": limits.connect_within, "read": None, "write": None, "pool": limits.connect_within}
        request = httpx.Request(
            method, self._base + path, headers={"Accept-Encoding": "gzip", **headers}, content=content,
            extensions={"timeout": timeout},
        )  # fmt: skip
        try:
            async with asyncio.timeout(limits.answer_within):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await self._read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise TimeoutError(f"no whole answer within {limits.answer_within:g} s") from None
        except httpx.TimeoutException:
            raise TimeoutError(f"no connection within {limits.connect_within:g} s") from None
        except httpx.ConnectError as error:  # its text is the system's: refused, unknown name, certificate not trusted
            raise ConnectionError(f"no connection: {error}") from None
        except httpx.TransportError as error:  # its text may quote what the peer wrote
            raise ConnectionError(f"the exchange broke off ({type(error).__name__})") from None
        headers_read = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status_code, headers=headers_read, body=body)

    async def close(self) -> None:
        """Hang up on all connections."""
        await self._transport.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        """Return the whole content, never holding more than the limit and one piece of the network's."""
        limit = self._limits.max_answer_bytes
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("gzip", "x-gzip", "identity", ""):
            raise ConnectionError("the answer has a content coding that was not asked for")
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in coding else None
        body = bytearray()
        arrived = False
        try:
            async for piece in response.aiter_raw():
                arrived = arrived or bool(piece)
                # One byte more than allowed is enough to know; a bomb unpacks no further.
                body += unzip.decompress(piece, limit + 1 - len(body)) if unzip else piece
                if len(body) > limit:
                    raise ConnectionError(f"the answer is longer than {limit} bytes")
        except zlib.error:
            raise ConnectionError("the answer is not the gzip that it says it is") from None
        if unzip and arrived and not unzip.eof:
            raise ConnectionError("the answer's gzip is cut off")
        return bytes(body)


def tls_context(
    ca_file: str | None = None, certificate_file: str | None = None, key_file: str | None = None
) -> ssl.SSLContext:
    """Return what verifies a server by `ca_file` (or the system's authorities) and shows our certificate.

    Source: BCP 195 (RFC 8996, RFC 9325): TLS 1.2 or later.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file)
    return context
