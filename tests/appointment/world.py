"""A whole host between a Blume and a PowerServer of the test: real sockets, and both channels of appointments."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from simulators.omegaai import OmegaAI
from simulators.powerserver import PowerServer
from store import subjects
from store.connection import connect
from tests.cli.console_script import ROOT, RunningHost, edit, free_ports, wait_until
from tests.mllp_listener_kit import Line

_SAMPLES = ROOT / "mappings/samples"
_BUNDLE = json.loads((_SAMPLES / "appointment-request.json").read_bytes())
_FILL = {"type": {"coding": [{"code": "FILL"}]}, "system": "urn:powerserver:appointment"}


class World:
    """Blume (an OmegaAI with its records), PowerServer (a receiver, and a line that tells), and the host between."""

    def __init__(self, folder: Path, back: str = "appointment-to-blume", *, blocks: bool = True) -> None:
        self.blume = OmegaAI()
        self.powerserver = PowerServer()
        site = folder / "mappings"
        shutil.copytree(ROOT / "mappings", site)
        # The two channels of appointments alone.
        for path in site.glob("*.yaml"):
            if path.stem not in {"site", "appointment-to-powerserver"}:
                path.unlink()
        shutil.copy(site / f"examples/{back}.yaml", site)
        for name in ("appointment-to-powerserver", back):
            edit(site / f"{name}.yaml", "wait: 1s..5m", "wait: 100ms..300ms")
        if not blocks:
            edit(site / "appointment-to-powerserver.yaml", "parked: block", "parked: pass")
        self._folder, self._site = folder, site
        self._control = itertools.count(1)

    def __enter__(self) -> Self:
        self.blume.__enter__()
        self.powerserver.__enter__()
        (port,) = free_ports(1)
        env = {"PLUGIN_HOST_MLLP_PORT": str(port), "OMEGAAI_FHIR_URL": self.blume.base}
        self.host = RunningHost(self._folder / "data", self.powerserver.port, site=self._site, env=env)
        self.host.__enter__()
        self._line = wait_until(lambda: _opened(port), "the MLLP door is open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.__exit__()
        self.host.__exit__(kind, error, trace)
        self.powerserver.__exit__(kind, error, trace)
        self.blume.__exit__(kind, error, trace)

    # -- what people do --------------------------------------------------------------------------------------------

    def patient(self, number: int, status: str, start: datetime, **change: Any) -> str:
        """The patient does something in Blume, which tells the host; return the message's id."""
        self.change(number, status, start, **change)
        return self.tell(number)

    def change(self, number: int, status: str, start: datetime, **change: Any) -> None:
        """The patient does something in Blume, which has not told anybody yet."""
        held = self.held(number)
        appointment = copy.deepcopy(_BUNDLE["entry"][9]["resource"]) | {
            "identifier": held["identifier"] if held else [_BUNDLE["entry"][9]["resource"]["identifier"][0]],
            "status": status, "start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat(),
            "meta": {"lastUpdated": _now().isoformat()}, **change,
        }  # fmt: skip
        placer = {**_BUNDLE["entry"][9]["resource"]["identifier"][0], "value": f"appt-{number}"}
        others = [one for one in appointment["identifier"] if one.get("system") != placer["system"]]
        appointment["identifier"] = [placer, *others]
        self.blume.records.write({**appointment, **({"id": held["id"]} if held else {})}, held["id"] if held else None)

    def tell(self, number: int) -> str:
        """Blume tells the host of the appointment as it is."""
        return self.host.book(json.dumps(self._bundle(number)).encode())

    def answer(self, number: int, status: str) -> bytes:
        """Return what Blume tells when the patient answers what PowerServer booked."""
        bundle = self._bundle(number)
        urls = {entry["resource"]["resourceType"]: entry["fullUrl"] for entry in bundle["entry"]}
        response = {
            "resourceType": "AppointmentResponse", "appointment": {"reference": urls["Appointment"]},
            "actor": {"reference": urls["Patient"]}, "participantStatus": status,
        }  # fmt: skip
        bundle["entry"].append({
            "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000099", "resource": response,
            "request": {"method": "POST", "url": "AppointmentResponse"},
        })  # fmt: skip
        return json.dumps(bundle).encode()

    def _bundle(self, number: int) -> dict[str, Any]:
        bundle = copy.deepcopy(_BUNDLE)
        appointment = copy.deepcopy(self.held(number))
        appointment["meta"] = {"lastUpdated": appointment.get("meta", {}).get("lastUpdated", _now().isoformat())}
        for name in ("participant", "basedOn", "slot"):
            appointment[name] = _BUNDLE["entry"][9]["resource"][name]
        appointment.pop("id", None)
        bundle["entry"][9]["resource"] = appointment
        bundle["entry"][0]["resource"]["identifier"][0]["value"] = f"P{number}"
        return bundle  # type: ignore[no-any-return]

    def staff(
        self, number: int, sample: str, start: datetime | None = None, *, at: datetime | None = None, **fields: str
    ) -> bytes:
        """PowerServer's staff did something, now or `at` another moment; the host takes it. Return the message."""
        lines = (_SAMPLES / f"powerserver-{sample}.hl7").read_text("utf-8").replace("\n", "\r").split("\r")
        text = "\r".join(line for line in lines if line) + "\r"
        said = (at or _now()).strftime("%Y%m%d%H%M%S+0000")
        text = text.replace("20251120153000.000-0300", said, 1)
        text = text.replace("PS-4711", f"PS-{number}").replace("PS-4712", f"PS-{number}")
        text = text.replace("appt-77^", f"appt-{number}^").replace("|12345^", f"|P{number}^")
        if start is not None:
            old = "20251202140000-0300", "20251202150000-0300", "20251201090000-0300", "20251201100000-0300"
            for one, when in zip(old, [start, start + timedelta(hours=1)] * 2, strict=True):
                text = text.replace(one, when.strftime("%Y%m%d%H%M%S%z"))
        for old_text, new in fields.items():
            text = text.replace(old_text.replace("_", " "), new)
        header, _, rest = text.partition("\r")
        parts = header.split("|")
        parts[9] = f"W{next(self._control):08d}"
        message = ("|".join(parts) + "\r" + rest).encode()
        self.bring(message)
        return message

    def bring(self, message: bytes) -> None:
        """PowerServer brings a message, and the host takes it."""
        self._line.send(message)
        answer = self._line.answer()
        assert b"\rMSA|AA|" in answer, answer

    # -- what is seen ----------------------------------------------------------------------------------------------

    def held(self, number: int) -> dict[str, Any] | None:
        """Return the appointment as Blume has it, by Blume's number or PowerServer's."""
        for one in self.blume.records.all("Appointment"):
            if {f"appt-{number}", f"PS-{number}"} & {each["value"] for each in one["identifier"]}:
                return one
        return None

    def wait_for_blume(self, number: int, status: str) -> dict[str, Any]:
        """Return the appointment once Blume shows it in a status."""

        def shown() -> dict[str, Any] | None:
            held = self.held(number)
            return held if held is not None and held["status"] == status else None

        return wait_until(shown, f"appointment {number} is {status} in Blume")  # type: ignore[no-any-return]

    def received(self, number: int) -> list[list[str]]:
        """Return the messages about the appointment that PowerServer has got, as segments."""
        texts = [one.payload.decode() for one in self.powerserver.received]
        return [
            text.rstrip("\r").split("\r") for text in texts if f"|appt-{number}^" in text or f"|PS-{number}^" in text
        ]

    def wait_for_powerserver(self, number: int, event: str) -> dict[str, str]:
        """Return SCH of the last message once it is of this event; as fields by number."""

        def got() -> dict[str, str] | None:
            found = self.received(number)
            if not found or f"|SIU^{event}^" not in found[-1][0]:
                return None
            fields = next(line for line in found[-1] if line.startswith("SCH|")).split("|")
            more = next((line for line in found[-1] if line.startswith("TQ1|")), "TQ1").split("|")
            return {f"SCH-{n}": text for n, text in enumerate(fields)} | {f"TQ1-{n}": t for n, t in enumerate(more)}

        return wait_until(got, f"PowerServer has the {event} of appointment {number}")  # type: ignore[no-any-return]

    def state(self, number: int) -> str | None:
        """Return the state that the host remembers."""
        link = connect(self.host.data)
        try:
            memory = subjects.find(link, "appointment", [f"filler PS-{number}", f"placer appt-{number}"]).memory
            return memory["state"] if memory else None
        finally:
            link.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _opened(port: int) -> Line | None:
    try:
        return Line(port)
    except ConnectionRefusedError:
        return None
