"""The DICOM door: its settings, its opening and closing; dicom_hall has who is let in, dicom_reception what is said.

Nobody's bytes reach the library before address, number of connections and length of the first PDU are found good.
Sources: DICOM PS3.8 7.1 and 9.1.5 (ARTIM); PS3.15 B.12.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.dicom_base import DicomIntake, check_ae_title

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(kw_only=True)
class DicomListener:
    """Lets stations check that we are there, store instances with us, and report on storage commitment."""

    ae_title: str = field(metadata={"help": "AE title that stations must call us by."})
    host: str = field(
        default="127.0.0.1", metadata={"help": "Address to listen at; the default takes this machine only."}
    )
    port: int = field(metadata={"help": "TCP port to listen at, often 104 or 11112; 0 lets the system choose one."})
    peers: tuple[str, ...] = field(
        metadata={"help": "Who is let in: AE_TITLE@ADDRESS, or AE_TITLE@NETWORK as in ARCHIVE@10.1.0.0/16; no other."}
    )
    start_within: float = field(
        default=10.0, metadata={"help": "Seconds for TLS and for the request of an association (ARTIM)."}
    )
    idle_within: float = field(
        default=60.0, metadata={"help": "Seconds that may pass without a sign of a peer on its association."}
    )
    close_within: float = field(
        default=5.0, metadata={"help": "Seconds that instances under way may take when the host closes."}
    )
    associations: int = field(
        default=10, metadata={"help": "Associations at once; more are rejected with 'local limit exceeded'."}
    )
    connections: int = field(default=60, metadata={"help": "Connections open at once; more are hung up on."})
    connections_per_address: int = field(default=40, metadata={"help": "Of these, from one address."})
    max_instance_bytes: int = field(
        default=4 * 1024**3, metadata={"help": "Longest data set that is taken; a longer one is answered A700H."}
    )
    certificate_file: str | None = field(
        default=None, metadata={"help": "PEM file of our certificate chain: the door speaks TLS only (BCP 195)."}
    )
    key_file: str | None = field(default=None, metadata={"help": "PEM file of our certificate's private key."})
    client_ca_file: str | None = field(
        default=None,
        metadata={"help": "PEM file of the authorities whose client certificates are let in; no other is."},
    )
    insecure_plaintext: str | None = field(
        default=None, metadata={"help": "Why DICOM without TLS from other machines is allowed; else it is not."}
    )
    _networks: dict[str, list[Network]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check what the type of one field alone does not show.

        Raises:
            ValueError: names the field and what it must be.
        """
        check_ae_title("ae_title", self.ae_title)
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be 0 to 65535")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file: client certificates come with TLS only")
        is_loopback = self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        if self.certificate_file is None and not is_loopback and not self.insecure_plaintext:
            raise ValueError("certificate_file must be given, or insecure_plaintext must say why it is not")
        for peer in self.peers:
            ae_title, at, network = peer.rpartition("@")
            check_ae_title("peers", ae_title if at else "")
            try:
                self._networks.setdefault(ae_title, []).append(ipaddress.ip_network(network, strict=False))
            except ValueError:
                raise ValueError(f"peers must be AE_TITLE@ADDRESS or AE_TITLE@NETWORK, not '{peer}'") from None

    def lets_in(self, address: str, ae_title: str | None = None) -> bool:
        """Say whether a peer at an address is let in: at all, or by this AE title."""
        try:
            at = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(at, ipaddress.IPv6Address) and at.ipv4_mapped is not None:
            at = at.ipv4_mapped
        named = self._networks if ae_title is None else {ae_title: self._networks.get(ae_title, [])}
        return any(at in network for networks in named.values() for network in networks)

    async def serve(self, intake: DicomIntake, folder: Path, ready: Callable[[str], None]) -> None:
        """Listen until cancelled; instances are kept in `folder`. Call `ready("host:port")` once the door is open.

        Raises:
            OSError: the address cannot be had, or a certificate file not be read.
        """
        from connectors.dicom_hall import Hall  # noqa: PLC0415 - the check of a site needs the settings alone

        hall = Hall(self, intake, folder)
        server = await asyncio.get_running_loop().create_server(hall.door, self.host, self.port, backlog=128)
        host, port = server.sockets[0].getsockname()[:2]
        ready(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            server.close()
            await hall.clear(self.close_within)
