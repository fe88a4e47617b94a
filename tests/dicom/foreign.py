"""A peer written by others (pynetdicom's own server) that answers as a test says."""

import threading
from contextlib import contextmanager

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import StorageCommitmentPushModel, StudyRootQueryRetrieveInformationModelMove, Verification

from connectors.dicom_peer import DimseStation


class Foreign:
    """Where it listens, and what came."""

    def __init__(self):
        self.port = 0
        self.stored = []
        self.requests = []
        self.threads = []
        self.server = None

    def station(self, **settings):
        given = {
            "ae_title": "FOREIGN",
            "host": "127.0.0.1",
            "port": self.port,
            "answer_within": 20.0,
            "retry_after": 0.05,
        }
        return DimseStation(**{**given, **settings})


def report_on(request, failed=()):
    """Return the Event Information for a request: all committed but `failed` (SOP Instance UIDs)."""
    report = Dataset()
    report.TransactionUID = request.TransactionUID
    items = request.ReferencedSOPSequence
    report.ReferencedSOPSequence = [item for item in items if item.ReferencedSOPInstanceUID not in failed]
    refused = [item for item in items if item.ReferencedSOPInstanceUID in failed]
    for item in refused:
        item.FailureReason = 0x0112
    if refused:
        report.FailedSOPSequence = refused
    return report, 2 if refused else 1


def send_report(association, report, event_type):
    """Report on an association of the archive's; return the status of the answer."""
    status, _ = association.send_n_event_report(
        report, event_type, StorageCommitmentPushModel, UID("1.2.840.10008.1.20.1.1")
    )
    return status.Status


def report_by_itself(port, report, event_type, called="PLUGINHOST"):
    """Report on a new association, as the SCP of the class (role selection); return the status of the answer."""
    ae = AE("FOREIGN")
    from pynetdicom import build_role

    role = build_role(StorageCommitmentPushModel, scp_role=True)
    ae.add_requested_context(StorageCommitmentPushModel)
    association = ae.associate("127.0.0.1", port, ae_title=called, ext_neg=[role])
    assert association.is_established
    try:
        return send_report(association, report, event_type)
    finally:
        association.release()


@contextmanager
def foreign(statuses=(), *, on_action=None, moves=()):
    """Run it. `statuses`: of the instances in turn, then 0000H; `on_action(event, peer)` gives the N-ACTION's status;
    `moves`: (status, identifier or None) in turn, as a C-MOVE handler of pynetdicom yields them.
    """
    peer = Foreign()
    waiting = list(statuses)
    lock = threading.Lock()

    def store(event):
        with lock:
            peer.stored.append(str(event.request.AffectedSOPInstanceUID))
            return waiting.pop(0) if waiting else 0x0000

    def action(event):
        peer.requests.append(event.action_information)
        return (on_action(event, peer) if on_action else 0x0000), None

    def move(event):
        yield "127.0.0.1", 1
        yield from moves

    ae = AE("FOREIGN")
    ae.supported_contexts = [
        *AllStoragePresentationContexts,
        build_context(Verification),
        build_context(StorageCommitmentPushModel),
        build_context(StudyRootQueryRetrieveInformationModelMove),
    ]
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_N_ACTION, action), (evt.EVT_C_MOVE, move)]
    peer.server = server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    peer.port = server.server_address[1]
    try:
        yield peer
    finally:
        server.shutdown()
        for thread in peer.threads:
            thread.join(10)
