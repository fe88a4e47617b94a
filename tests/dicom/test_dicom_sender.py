"""The destination `dicom-sender`: what a lane is told of each answer, and what it is not."""

import asyncio
import ssl
import subprocess
import warnings
from contextlib import contextmanager

import pytest
import trustme

from connectors.base import DestinationConnector
from connectors.dicom_sender import DicomSender
from messages.lifecycle import Event
from tests.dicom.foreign import foreign
from tests.dicom.kit import Kept, listening, said, silent_peer
from tests.dicom.peers import Peer, command, dcmtk, free_port, study


def _sender(port, ae_title, **settings):
    return DicomSender(**{"ae_title": ae_title, "host": "127.0.0.1", "port": port, "answer_within": 20.0, **settings})


async def _replies(sender, *bodies):
    try:
        replies = []
        for body in bodies:
            await sender.open()
            replies.append(await sender.send(body, "control"))
        return replies
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("status", "event", "reason"),
    [
        (0x0000, Event.ACCEPTED, "0000H: success"),
        (0xB000, Event.ACCEPTED, "B000H: stored; data elements were coerced"),
        (0xA700, Event.DEFERRED, "A700H: out of resources"),
        (0xA900, Event.REFUSED, "A900H: the data set does not match its SOP class"),
        (0xC000, Event.REFUSED, "C000H: the peer cannot understand the data set"),
        (0x0110, Event.DEFERRED, "0110H: processing failure"),
        (0x0124, Event.REFUSED, "0124H: not authorized"),
    ],
)
def test_a_status_is_accepted_deferred_or_refused(files, status, event, reason):
    with foreign([status]) as peer:
        sender = _sender(peer.port, "FOREIGN")
        (reply,) = asyncio.run(_replies(sender, files[0].read_bytes()))

    assert isinstance(sender, DestinationConnector)
    assert (reply.event, reply.reason, reply.raw) == (event, reason, f"{status:04X}".encode())


def test_a_warning_is_parked_where_the_site_says_so(files):
    with foreign([0xB007]) as peer:
        sender = _sender(peer.port, "FOREIGN", on_warning="park")
        assert asyncio.run(_replies(sender, files[0].read_bytes()))[0].event is Event.REFUSED


def test_several_classes_and_syntaxes_go_over_as_many_associations_as_they_need(tmp_path, receiver):
    bodies = [path.read_bytes() for path in study(tmp_path, 8)]
    before = len(receiver.instances())
    replies = asyncio.run(_replies(_sender(receiver.port, receiver.ae_title), *bodies))

    assert [reply.event for reply in replies] == [Event.ACCEPTED] * 8
    assert len(receiver.instances()) == before + 8


def test_what_the_station_does_not_accept_and_what_is_no_instance_goes_to_a_person(tmp_path, receiver):
    jpeg_2000 = study(tmp_path, 1, compressed=1)[0].read_bytes()
    replies = asyncio.run(_replies(_sender(receiver.port, receiver.ae_title), jpeg_2000, b"%PDF-1.7", b"", bytes(200)))

    assert {reply.event for reply in replies} == {Event.REFUSED}
    assert replies[0].reason == "not sent: the station does not accept its SOP class in its transfer syntax"
    assert replies[1].reason == "not sent: no DICOM file: it has no DICM prefix"


def test_nobody_there_is_said_at_open_and_nothing_has_left():
    with pytest.raises(OSError, match=r"Connect call failed|refused"):
        asyncio.run(_sender(free_port(), "NOBODY").open())


def test_no_answer_is_an_error_and_the_next_instance_has_a_new_association(files):
    mood = {"answers": False}

    def says(writer, context, command):
        if mood["answers"]:
            writer.write(said(context, command))

    async def run():
        async with silent_peer(says) as (peer, seen):
            sender = _sender(peer.port, "SILENT", answer_within=1.5)
            await sender.open()
            with pytest.raises(TimeoutError, match="no answer within"):
                await sender.send(files[0].read_bytes(), "control")
            mood["answers"] = True
            sender.answer_within = 20.0
            (reply,) = await _replies(sender, files[0].read_bytes())
            return reply, seen.instances

    reply, instances = asyncio.run(run())

    assert (reply.event, instances) == (Event.ACCEPTED, 2)


def test_an_association_that_the_peer_ended_meanwhile_is_begun_anew(files):
    with foreign() as peer:

        async def run():
            sender = _sender(peer.port, "FOREIGN")
            await sender.open()
            await sender.send(files[0].read_bytes(), "control")
            for association in peer.server.active_associations:
                await asyncio.to_thread(association.abort)
            async with asyncio.timeout(20):
                while sender._line.stands:
                    await asyncio.sleep(0.01)
            return await _replies(sender, files[4].read_bytes())

        (reply,) = asyncio.run(run())

    assert reply.event is Event.ACCEPTED
    assert len(peer.stored) == 2


# -- TLS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """Certificates of one authority for both sides, and one of a stranger, as PEM files."""
    folder = tmp_path_factory.mktemp("papers")
    made = {}
    for name, authority in (("ours", trustme.CA()), ("stranger", trustme.CA())):
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        made[name] = {"ca": folder / f"{name}-ca.pem", "cert": folder / f"{name}.pem", "key": folder / f"{name}.key"}
        authority.cert_pem.write_to_path(str(made[name]["ca"]))
        certificate.cert_chain_pems[0].write_to_path(str(made[name]["cert"]))
        certificate.private_key_pem.write_to_path(str(made[name]["key"]))
    return {name: {kind: str(path) for kind, path in paths.items()} for name, paths in made.items()}


def _door_tls(papers):
    ours = papers["ours"]
    return {"certificate_file": ours["cert"], "key_file": ours["key"], "client_ca_file": ours["ca"]}


def _caller_tls(papers, who="ours", trusts="ours"):
    who = papers[who]
    return {"tls": True, "ca_file": papers[trusts]["ca"], "certificate_file": who["cert"], "key_file": who["key"]}


def test_an_instance_goes_over_tls_with_certificates_on_both_sides(tmp_path, papers, files):
    kept = Kept()

    async def run():
        async with listening(tmp_path, kept, **_door_tls(papers)) as port:
            return await _replies(_sender(port, "PLUGINHOST", **_caller_tls(papers)), files[0].read_bytes())

    (reply,) = asyncio.run(run())

    assert reply.event is Event.ACCEPTED
    assert len(kept.received_ones) == 1


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param({"who": "stranger"}, id="a stranger's certificate"),
        pytest.param({"trusts": "stranger"}, id="an authority that we do not trust"),
        pytest.param(None, id="no TLS at all"),
    ],
)
def test_who_cannot_show_a_certificate_of_ours_is_not_let_in(tmp_path, papers, files, caller):
    kept = Kept()

    async def run():
        async with listening(tmp_path, kept, **_door_tls(papers)) as port:
            tls = _caller_tls(papers, **caller) if caller is not None else {}
            with pytest.raises(OSError):  # noqa: PT011 - of several kinds, for the handshake may end on either side
                await _replies(_sender(port, "PLUGINHOST", answer_within=5.0, **tls), files[0].read_bytes())
            async with asyncio.timeout(20):
                while not kept.strangers:
                    await asyncio.sleep(0.01)

    asyncio.run(run())
    assert kept.received_ones == []
    assert set(kept.strangers) == {("tls", "127.0.0.1")}


V = ssl.TLSVersion


@pytest.mark.parametrize(
    ("version", "ciphers", "is_let_in"),
    [
        pytest.param(V.TLSv1_1, "ALL:@SECLEVEL=0", False, id="TLS 1.1"),
        pytest.param(V.TLSv1_2, "AES256-GCM-SHA384", False, id="without forward secrecy"),
        pytest.param(V.TLSv1_2, "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384", False, id="CBC"),
        pytest.param(V.TLSv1_2, "ECDHE+AESGCM", True, id="TLS 1.2"),
        pytest.param(V.TLSv1_3, "DEFAULT", True, id="TLS 1.3"),
    ],
)
def test_the_door_speaks_tls_by_bcp_195_and_no_other(tmp_path, papers, version, ciphers, is_let_in):
    ours, kept = papers["ours"], Kept()
    caller = ssl.create_default_context(cafile=ours["ca"])
    caller.load_cert_chain(ours["cert"], ours["key"])
    caller.set_ciphers(ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what is tried
        caller.minimum_version = caller.maximum_version = version

    async def run():
        async with listening(tmp_path, kept, **_door_tls(papers)) as port:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=caller)
            except OSError:  # ssl.SSLError, or a reset
                async with asyncio.timeout(20):
                    while not kept.strangers:
                        await asyncio.sleep(0.01)
                return False
            writer.transport.abort()
            return True

    assert asyncio.run(run()) is is_let_in
    assert kept.strangers == ([] if is_let_in else [("tls", "127.0.0.1")])


def test_dcmtk_echoes_over_tls(tmp_path, papers):
    ours = papers["ours"]

    async def run():
        async with listening(tmp_path, Kept(), **_door_tls(papers)) as port:
            arguments = ("+tls", ours["key"], ours["cert"], "+cf", ours["ca"], "-aet", "ANY", "-aec", "PLUGINHOST")
            return await asyncio.to_thread(dcmtk, "echoscu", *arguments, "127.0.0.1", port)

    done = asyncio.run(run())

    assert done.returncode == 0, done.stderr


class _TlsStorescp(Peer):
    def __init__(self, folder, papers):
        super().__init__(folder, "STORESCP")
        self._papers = papers

    def _arguments(self):
        ours = self._papers["ours"]
        (self.folder / "storage").mkdir(exist_ok=True)
        tls = ["+tls", ours["key"], ours["cert"], "+cf", ours["ca"]]
        return [command("storescp"), *tls, "--output-directory", "storage", str(self.port)]


@contextmanager
def _tls_storescp(folder, papers):
    peer = _TlsStorescp(folder, papers)
    try:
        yield peer.start()
    finally:
        peer.kill()


def test_an_instance_goes_to_dcmtk_over_tls(tmp_path, papers, files):
    with _tls_storescp(tmp_path, papers) as peer:
        sender = _sender(peer.port, "STORESCP", **_caller_tls(papers))
        (reply,) = asyncio.run(_replies(sender, files[3].read_bytes()))

    assert reply.event is Event.ACCEPTED
    assert subprocess.run(["ls", tmp_path / "storage"], capture_output=True, check=True).stdout


# -- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"ae_title": "A" * 17}, "ae_title must be an AE title"),
        ({"ae_title": "   "}, "ae_title must be an AE title"),
        ({"calling_ae_title": "A\\B"}, "calling_ae_title must be an AE title"),
        ({"port": 0}, "port must be 1 to 65535"),
        ({"host": "powerserver"}, "tls must be true, or insecure_plaintext must say why it is not"),
        ({"ca_file": "ca.pem"}, "need tls: true"),
        ({"attempts": 0}, "attempts must be 1 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings, text):
    with pytest.raises(ValueError, match=text):
        DicomSender(**{"ae_title": "PS", "host": "127.0.0.1", "port": 104, **settings})
