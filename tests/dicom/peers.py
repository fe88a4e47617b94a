"""Real DICOM peers as processes, each on free ports: Orthanc, dcmtk's dcmqrscp and storescp; and a study to send.

with orthanc(tmp_path / "omegaai", {"US": port}) as omegaai, dcmqrscp(tmp_path / "ps", {"OMEGAAI": omegaai.port}) as ps:
    fill(ps, study(tmp_path / "study", 300))
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000Lossless, generate_uid

#: The AE titles that the tests use.
OMEGAAI, POWERSERVER, US = "OMEGAAI", "POWERSERVER", "PLUGINHOST"
_PLUGINS = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_PAUSE = threading.Event()
#: dcmtk as it is shipped waits 40 ms at each instance (Nagle against delayed ACK); so told, it does not.
_NO_DELAY = {**os.environ, "TCP_NODELAY": "1"}


def wait_until(true, within: float = 30.0, what: str = "the condition") -> None:
    """Wait for a condition, with a limit that only a broken test meets."""
    for _ in range(int(within / 0.02)):
        if true():
            return
        _PAUSE.wait(0.02)
    pytest.fail(f"{what} did not become true within {within:g} s")


def free_port() -> int:
    """Return a port that nobody listens at now; whoever takes it tries another when it was lost meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(name: str) -> str:
    """Return the path of a Debian program, or say what to install."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.fail(f"{name} is needed: apt-get install orthanc orthanc-dicomweb dcmtk")
    return path


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Peer:
    """A peer's process. It keeps its ports and its folder over a restart."""

    _environment = _NO_DELAY

    def __init__(self, folder: Path, ae_title: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.ae_title = folder, ae_title
        self.host = "127.0.0.1"
        self.port = 0
        self._process = None
        self._log = None

    def start(self) -> "Peer":
        """Start it and wait until it takes connections."""
        for _ in range(5):
            if self.port == 0:
                self._choose_ports()
            self._log = (self.folder / "log").open("ab")
            self._process = subprocess.Popen(
                self._arguments(), stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL, cwd=self.folder,
                start_new_session=True, env=self._environment,
            )  # fmt: skip
            wait_until(lambda: self._process.poll() is not None or self._is_ready(), what=f"the start of {self}")
            if self._process.poll() is None:
                return self
            self.stop()
            self.port = 0  # somebody else took the port
        pytest.fail(f"{self} does not start: {self.log()[-500:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: in order, or with SIGKILL as a power cut would."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(how)
                try:
                    self._process.wait(15)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def kill(self) -> None:
        """End it as a power cut would."""
        self.stop(signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """Return what it has written so far."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def __str__(self) -> str:
        return type(self).__name__

    def _choose_ports(self) -> None:
        self.port = free_port()

    def _is_ready(self) -> bool:
        return _answers(self.port)

    def _arguments(self) -> list[str]:
        raise NotImplementedError


class Orthanc(Peer):
    """Orthanc with DICOMweb: store, find, move, get, storage commitment, QIDO-RS, STOW-RS."""

    def __init__(self, folder: Path, knows: dict[str, int], ae_title: str, more: dict) -> None:
        super().__init__(folder, ae_title)
        self._knows, self._more = knows, more
        self.http_port = 0

    def _choose_ports(self) -> None:
        self.port, self.http_port = free_port(), free_port()

    def _is_ready(self) -> bool:
        return _answers(self.port) and _answers(self.http_port)

    @property
    def dicomweb(self) -> str:
        """The base of its DICOMweb."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def _arguments(self) -> list[str]:
        settings = {
            "Name": self.ae_title, "DicomAet": self.ae_title, "DicomPort": self.port, "HttpPort": self.http_port,
            "StorageDirectory": str(self.folder / "storage"), "IndexDirectory": str(self.folder / "storage"),
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
            "DicomCheckCalledAet": True, "SynchronousCMove": True, "Plugins": [str(_PLUGINS)],
            "StorageCommitmentReportsSize": 100, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "DicomModalities": {
                name: {"AET": name, "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
                for name, port in self._knows.items()
            },
            **self._more,
        }  # fmt: skip
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(settings), "utf-8")
        return [command("Orthanc"), str(path)]

    def ask(self, path: str, method: str = "GET", content: bytes | None = None):
        """Ask its own REST interface, which no code of ours uses."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", content, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def instances(self) -> set[str]:
        """Return the SOP Instance UIDs that it holds."""
        found = self.ask("/instances?expand")
        return {entry["MainDicomTags"]["SOPInstanceUID"] for entry in found}


class Dcmqrscp(Peer):
    """dcmtk's archive: store, find, move, get; no storage commitment. `knows`: AE title → port, for C-MOVE."""

    def __init__(self, folder: Path, knows: dict[str, int], ae_title: str) -> None:
        super().__init__(folder, ae_title)
        self._knows = knows

    def _arguments(self) -> list[str]:
        store = self.folder / "storage"
        store.mkdir(exist_ok=True)
        hosts = "\n".join(f"{name.lower()} = ({name}, 127.0.0.1, {port})" for name, port in self._knows.items())
        path = self.folder / "dcmqrscp.cfg"
        path.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\n{hosts}\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\n{self.ae_title} {store} RW (100, 1024mb) ANY\nAETable END\n",
            "utf-8",
        )
        return [command("dcmqrscp"), "-c", str(path), "+xv", "-xv"]

    def instances(self) -> list[Path]:
        """Return the files that it holds."""
        return sorted(path for path in (self.folder / "storage").iterdir() if path.suffix == ".dcm" or "_" in path.name)


class Storescp(Peer):
    """dcmtk's receiver as it is shipped, with its delay; `more`: its options, such as --refuse or --abort-after."""

    _environment = None

    def __init__(self, folder: Path, ae_title: str, more: tuple[str, ...]) -> None:
        super().__init__(folder, ae_title)
        self._more = more

    def _arguments(self) -> list[str]:
        (self.folder / "storage").mkdir(exist_ok=True)
        options = ["--output-directory", "storage", "--aetitle", self.ae_title, *self._more]
        return [command("storescp"), *options, str(self.port)]

    def instances(self) -> list[Path]:
        """Return the files that it holds."""
        return sorted((self.folder / "storage").iterdir())


@contextmanager
def _running(peer: Peer):
    try:
        yield peer.start()
    finally:
        peer.kill()  # in order would take seconds, and nobody looks at it any more


def orthanc(folder: Path, knows: dict[str, int] | None = None, ae_title: str = OMEGAAI, **more):
    """Run Orthanc. `knows`: AE title → port of whom it moves and reports to; `more`: its own settings."""
    return _running(Orthanc(folder, knows or {}, ae_title, more))


def dcmqrscp(folder: Path, knows: dict[str, int] | None = None, ae_title: str = POWERSERVER):
    """Run dcmtk's archive. `knows`: AE title → port of whom it moves to."""
    return _running(Dcmqrscp(folder, knows or {}, ae_title))


def storescp(folder: Path, *more: str, ae_title: str = POWERSERVER):
    """Run dcmtk's receiver."""
    return _running(Storescp(folder, ae_title, more))


def dcmtk(name: str, *arguments: object, within: float = 60.0) -> subprocess.CompletedProcess:
    """Run a program of dcmtk to its end."""
    arguments = [command(name), *map(str, arguments)]
    return subprocess.run(arguments, capture_output=True, timeout=within, check=False, env=_NO_DELAY)


def fill(peer: Peer, files: list[Path]) -> None:
    """Put a study into a peer by dcmtk's storescu, as a modality would; JPEG 2000 goes in an association of its own."""
    compressed = [
        path for path in files if pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID == JPEG2000Lossless
    ]
    for proposal, part in (("--propose-uncompr", set(files) - set(compressed)), ("--propose-j2k-lossless", compressed)):
        if part:
            done = dcmtk("storescu", proposal, "-aec", peer.ae_title, peer.host, peer.port, *sorted(part))
            assert done.returncode == 0, done.stderr


def _syntax(path: Path) -> str:
    return pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID


def study(folder: Path, count: int = 300, *, compressed: int = 0, study_uid: str | None = None) -> list[Path]:
    """Write a study of `count` instances made from pydicom's test files: small, of an invented person.

    Three of four are MR slices in one series, the fourth is CT in another; the last `compressed` are JPEG 2000.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study_uid = study_uid or generate_uid()
    series = {name: generate_uid() for name in ("MR_small.dcm", "CT_small.dcm", "MR_small_jp2klossless.dcm")}
    templates = {name: pydicom.dcmread(get_testdata_file(name)) for name in series}
    files = []
    for n in range(count):
        name = "CT_small.dcm" if n % 4 == 3 else "MR_small.dcm"
        if n >= count - compressed:
            name = "MR_small_jp2klossless.dcm"
        data = templates[name]
        data.PatientName, data.PatientID, data.AccessionNumber = "Fabricated^Ana", "PH-000001", "A0000001"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.InstanceNumber = study_uid, series[name], n + 1
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.StudyDate, data.StudyID = "20260105", "1"
        files.append(folder / f"{n:04}.dcm")
        data.save_as(files[-1], enforce_file_format=True)
    return files


def uids(files: list[Path]) -> set[str]:
    """Return the SOP Instance UIDs of files."""
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files}
