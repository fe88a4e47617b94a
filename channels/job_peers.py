"""The peers that jobs talk to, made from the settings of a channel through the door of the plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels import registry
from channels.migration_settings import Migration
from channels.settings import build
from connectors.dicom_base import DicomPeer, DicomwebPeer
from connectors.share_base import Mailer, OmegaAi, ResultsDoor


class Peers:
    """Peers by name, each made once."""

    def __init__(
        self,
        migration: Migration,
        omegaai: Mapping[str, object] | None,
        *,
        mail: Mapping[str, object] | None = None,
        results: Mapping[str, object] | None = None,
    ) -> None:
        """The settings: stations and folders of `migration`; None: there is no such peer."""
        self._migration, self._omegaai, self._mail, self._results = migration, omegaai, mail, results
        self._made: dict[str, Any] = {}

    def station(self, name: str) -> DicomPeer:
        """Return the DICOM station of a name; a folder answers as one, as far as studies are taken of it."""
        if name in self._migration.folders:
            folder: DicomPeer = self._make(f"dicom {name}", "dicom-folder", self._migration.folders[name])
            return folder
        peer: DicomPeer = self._make(f"dicom {name}", "dicom-peer", self._migration.dicom[name])
        return peer

    def ae_title(self, name: str) -> str:
        """Return the AE title of a station: what a C-MOVE calls its destination."""
        title: str = self.station(name).ae_title  # type: ignore[attr-defined]  # a setting of every dicom-peer
        return title

    def web(self) -> DicomwebPeer | None:
        """Return the target's DICOMweb, where the site has it."""
        if self._migration.dicomweb is None:
            return None
        peer: DicomwebPeer = self._make("dicomweb", "dicomweb-peer", self._migration.dicomweb)
        return peer

    def omegaai(self) -> OmegaAi:
        """Return OmegaAI's FHIR service."""
        peer: OmegaAi = self._make("omegaai", "omegaai-share", self._omegaai)
        return peer

    def mailer(self) -> Mailer | None:
        """Return who mails the link; None: OmegaAI does."""
        if self._mail is None:
            return None
        mailer: Mailer = self._make("mail", "mail-sender", self._mail)
        return mailer

    def results_door(self) -> ResultsDoor:
        """Return the FHIR door that takes laboratory results."""
        door: ResultsDoor = self._make("results", "results-door", self._results)
        return door

    async def close(self) -> None:
        """Hang up on all of them."""
        for peer in self._made.values():
            if hasattr(peer, "close"):
                await peer.close()

    def _make(self, name: str, plugin: str, settings: Any) -> Any:
        if name not in self._made:
            self._made[name] = build(registry.load("connector", plugin), settings)
        return self._made[name]
