"""The TLS that our DICOM lines speak, on both sides: TLS 1.2 or 1.3, forward secrecy and authenticated encryption only.

Sources: DICOM PS3.15 B.12 and B.13 (BCP 195: RFC 8996, RFC 9325).
"""

from __future__ import annotations

import ssl

#: RFC 9325 4.2; TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def client_tls(ca_file: str | None, certificate_file: str | None, key_file: str | None) -> ssl.SSLContext:
    """Return what verifies a peer that we call, and shows our certificate.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = _by_bcp_195(ssl.create_default_context(cafile=ca_file))
    if certificate_file:
        context.load_cert_chain(certificate_file, key_file)
    return context


def server_tls(certificate_file: str, key_file: str, client_ca_file: str | None) -> ssl.SSLContext:
    """Return what shows our certificate to who calls us, and verifies theirs where authorities for them are named.

    Raises:
        OSError: a file cannot be read, or is no certificate.
    """
    context = _by_bcp_195(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca_file))
    context.load_cert_chain(certificate_file, key_file)
    if client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _by_bcp_195(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context
