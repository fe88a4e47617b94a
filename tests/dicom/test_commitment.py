"""Storage commitment: a report is taken wherever and whenever it comes, and nothing else proves anything."""

import asyncio
import threading

import pytest

from connectors.base import StoreUnavailable
from connectors.dicom_base import Reference, Verdict
from tests.dicom.foreign import foreign, report_by_itself, report_on, send_report
from tests.dicom.kit import Kept, listening
from tests.dicom.peers import wait_until

REFERENCES = [Reference("1.2.840.10008.5.1.4.1.1.4", f"1.2.3.{n}") for n in range(300)]
#: The archive has lost one.
LOST = REFERENCES[7]
COMMITTED = tuple(reference for reference in REFERENCES if reference != LOST)


class Asked:
    """Who asks, and in which order what happened."""

    def __init__(self):
        self.kept = Kept()
        self.happened = []

    async def remember(self, transaction_uid):
        self.happened.append(("remembered", transaction_uid))

    async def reported(self, report):
        self.happened.append(("reported", report.transaction_uid))
        await self.kept.reported(report)

    def commit(self, peer, **settings):
        return asyncio.run(peer.station(**settings).commit(REFERENCES, self.remember, self.reported))


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
@pytest.mark.parametrize("where", ["same association", "association of its own"])
def test_a_report_on_300_instances_is_taken_wherever_and_whenever_it_comes(tmp_path, where, when):
    asked, answers = Asked(), []

    async def run():
        async with listening(tmp_path, asked.kept, peers=("FOREIGN@127.0.0.1",)) as port:

            def action(event, peer):
                asked.happened.append(("asked", str(event.action_information.TransactionUID)))
                if when == "before the answer":
                    report(event)
                else:
                    thread = threading.Timer(0.1, report, [event])
                    peer.threads.append(thread)
                    thread.start()
                return 0x0000

            def report(event):
                told = report_on(event.action_information, {LOST.sop_instance_uid})
                same = where == "same association"
                answers.append(send_report(event.assoc, *told) if same else report_by_itself(port, *told))

            with foreign(on_action=action) as peer:
                within = 20.0 if where == "same association" else 0.05
                outcome = await peer.station(report_within=within).commit(REFERENCES, asked.remember, asked.reported)
                report = await asked.kept.report_of(outcome.transaction_uid)
                for thread in peer.threads:  # it still has to release its association with our door
                    await asyncio.to_thread(thread.join)
                return outcome, report

    outcome, report = asyncio.run(run())
    wait_until(lambda: answers, what="the answer to the report")

    assert (outcome.verdict, answers) == (Verdict.SUCCESS, [0x0000])
    assert outcome.report == (report if where == "same association" else None)
    assert (report.committed, report.failed) == (COMMITTED, ((LOST, 0x0112),))
    # The transaction is stored before anything is asked, for the report may come before the answer.
    assert asked.happened[:2] == [("remembered", outcome.transaction_uid), ("asked", outcome.transaction_uid)]


def test_a_commitment_that_is_taken_and_never_reported_proves_nothing():
    asked = Asked()
    with foreign() as peer:
        outcome = asked.commit(peer, report_within=0.1)

    assert (outcome.verdict, outcome.report, asked.kept.reports) == (Verdict.SUCCESS, None, [])
    assert asked.happened == [("remembered", outcome.transaction_uid)]


def test_a_report_of_an_earlier_transaction_is_kept_and_not_taken_for_this_ones():
    asked = Asked()

    def action(event, peer):
        report, event_type = report_on(event.action_information)
        report.TransactionUID = "1.2.3.4.5"
        peer.answered = send_report(event.assoc, report, event_type)
        return 0x0000

    with foreign(on_action=action) as peer:
        outcome = asked.commit(peer, report_within=0.1)

    assert (outcome.verdict, outcome.report, peer.answered) == (Verdict.SUCCESS, None, 0x0000)
    assert [report.transaction_uid for report in asked.kept.reports] == ["1.2.3.4.5"]


def test_a_report_that_cannot_be_stored_is_not_answered_as_taken():
    asked = Asked()
    asked.kept.unavailable = StoreUnavailable("no")
    answers = []

    def action(event, peer):
        try:
            answers.append(send_report(event.assoc, *report_on(event.action_information)))
        except (AttributeError, RuntimeError):  # as the library tells of an association that was aborted
            answers.append(None)
        return 0x0000

    with foreign(on_action=action) as peer, pytest.raises(StoreUnavailable):
        asked.commit(peer)

    wait_until(lambda: answers, what="the end of the archive's association")
    assert answers == [None]


@pytest.mark.parametrize(("status", "verdict"), [(0x0131, Verdict.REFUSED), (0x0213, Verdict.DEFERRED)])
def test_a_commitment_that_is_refused_says_so(status, verdict):
    with foreign(on_action=lambda event, peer: status) as peer:
        outcome = Asked().commit(peer)

    assert (outcome.verdict, outcome.status) == (verdict, status)
