"""A station that speaks DIMSE: its settings, and an association with it.

Sources: DICOM PS3.8 7.1; PS3.5 6.2 (AE).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connectors import dicom_negotiation
from connectors.dicom_association import Association
from connectors.dicom_base import check_ae_title
from connectors.dicom_negotiation import Proposal
from connectors.dicom_pdu import ABORT, ProtocolError, abort
from connectors.dicom_tls import client_tls
from connectors.dicom_wire import Wire

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(kw_only=True)
class DicomStation:
    """The settings of a DICOM station that we call."""

    ae_title: str = field(metadata={"help": "AE title that the station goes by."})
    host: str = field(metadata={"help": "Name or address of the station."})
    port: int = field(metadata={"help": "TCP port of the station; often 104, 105 or 11112."})
    calling_ae_title: str = field(
        default="PLUGINHOST", metadata={"help": "AE title by which the station knows us: it may let in no other."}
    )
    connect_within: float = field(default=10.0, metadata={"help": "Seconds to wait until the line stands."})
    answer_within: float = field(
        default=60.0, metadata={"help": "Seconds that may pass without a sign from the station while we wait for one."}
    )
    report_within: float = field(
        default=2.0,
        metadata={"help": "Seconds to wait for a commitment's report on the association that asked for it."},
    )
    attempts: int = field(default=3, metadata={"help": "Times that an instance, or an association for it, is tried."})
    retry_after: float = field(default=1.0, metadata={"help": "Seconds before a broken association is begun anew."})
    bytes_per_second: int = field(
        default=0, metadata={"help": "Most that is stored in a second, to spare the line; 0: as much as goes."}
    )
    tls: bool = field(default=False, metadata={"help": "Speak TLS (BCP 195); the station's certificate is verified."})
    ca_file: str | None = field(
        default=None, metadata={"help": "PEM file of the authorities to trust; empty: the system's."}
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate, for stations that ask for one."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    insecure_plaintext: str | None = field(
        default=None, metadata={"help": "Why DICOM without TLS to another machine is allowed; else it is not."}
    )

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        check_ae_title("ae_title", self.ae_title)
        check_ae_title("calling_ae_title", self.calling_ae_title)
        if not 1 <= self.port <= 65535:
            raise ValueError("port must be 1 to 65535")
        if self.attempts < 1:
            raise ValueError("attempts must be 1 or more")
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs certificate_file")
        if not self.tls and (self.ca_file or self.certificate_file):
            raise ValueError("ca_file and certificate_file need tls: true")
        if not self.tls and self.host not in _LOOPBACK and not self.insecure_plaintext:
            raise ValueError("tls must be true, or insecure_plaintext must say why it is not")


async def associate(station: DicomStation, proposals: Sequence[Proposal]) -> Association:
    """Return an association in which the station may have accepted some of the proposals, or none.

    Raises:
        AssociationRejected: the station does not want one.
        OSError: no connection, or no answer that can be read. Nothing has been asked.
    """
    wire = Wire()
    try:
        async with asyncio.timeout(station.connect_within):
            await asyncio.get_running_loop().create_connection(
                lambda: wire, station.host, station.port, ssl=_tls(station)
            )
    except TimeoutError:
        wire.close()
        raise TimeoutError(f"no connection within {station.connect_within:g} s") from None
    except UnicodeError:
        raise OSError(f"'{station.host}' is no name of a host") from None
    try:
        asked = dicom_negotiation.request(station.calling_ae_title, station.ae_title, proposals)
        async with asyncio.timeout(station.answer_within):
            await wire.write(asked)
            kind, pdu = await wire.read()
        if kind == ABORT:
            raise ConnectionAbortedError("the station aborted the association before it stood")
        return Association(wire, dicom_negotiation.read_answer(kind, bytes(pdu), proposals))
    except TimeoutError:
        wire.close(abort(by_provider=False))
        raise TimeoutError(f"no answer to our request for an association within {station.answer_within:g} s") from None
    except ProtocolError:
        wire.close(abort(by_provider=True))
        raise
    except BaseException:
        wire.close()
        raise


@asynccontextmanager
async def association(station: DicomStation, proposals: Sequence[Proposal]) -> AsyncIterator[Association]:
    """Give an association; it is released at the end, and aborted where that comes by an exception."""
    stands = await associate(station, proposals)
    try:
        yield stands
    except BaseException:
        stands.abort()
        raise
    await stands.release()


def _tls(station: DicomStation) -> ssl.SSLContext | None:
    return client_tls(station.ca_file, station.certificate_file, station.key_file) if station.tls else None
