"""The bugs of T20: what is replaced by what, and the tests that must turn red. See tests/rig/bugs.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A bug, and the tests that must turn red."""

    name: str
    #: (file, text, text with the bug).
    edits: tuple[tuple[str, str, str], ...]
    #: What is given to pytest.
    caught_by: tuple[str, ...]


BUGS = (
    Bug(
        name="the answer goes out before the commit",
        edits=(
            (
                "store/writer.py",
                """\
        self._wait_for_others(0)
""",
                """\
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        self._wait_for_others(0)
""",
            ),
            (
                "store/writer.py",
                """\
        self._make_durable(mark)
""",
                """\
        try:
            asyncio.get_running_loop().call_later(
                0.02, lambda: self._connection.in_transaction and self._make_durable(mark)
            )
        except RuntimeError:
            self._make_durable(mark)
""",
            ),
        ),
        caught_by=(
            "tests/rig/test_kill_points.py",
            "-k",
            "store",
        ),
    ),
    Bug(
        name="synchronous is NORMAL",
        edits=(("store/connection.py", '"synchronous": 2,', '"synchronous": 1,'),),
        caught_by=("tests/rig/test_power_loss.py",),
    ),
    Bug(
        name="the high-water mark is not kept",
        edits=(
            (
                "store/writer.py",
                """\
            self._high_water.raise_to(mark, sync=self._promises)
""",
                """\
            pass
""",
            ),
        ),
        caught_by=("tests/rig/test_power_loss.py",),
    ),
    Bug(
        name="an I/O error of a commit is swallowed",
        edits=(
            (
                "store/writer.py",
                """\
            _give_up("commit", error)
""",
                """\
            raise
""",
            ),
        ),
        caught_by=("tests/rig/test_disk_errors.py",),
    ),
    Bug(
        name="no answer counts as accepted",
        edits=(
            (
                "channels/verdict.py",
                """event=Event.UNANSWERED,
        reason=f"no answer""",
                """event=Event.ACCEPTED,
        reason=f"no answer""",
            ),
        ),
        caught_by=("tests/engine/test_lanes.py",),
    ),
    Bug(
        name="the socket is used again after a timeout",
        edits=(
            (
                "connectors/mllp_sender.py",
                """        except TimeoutError:
            self._hang_up()
            raise TimeoutError(f"no ack""",
                """        except TimeoutError:
            raise TimeoutError(f"no ack""",
            ),
        ),
        caught_by=("tests/test_mllp_sender.py",),
    ),
    Bug(
        name="a retry gets a new MSH-10",
        edits=(
            (
                "channels/lane.py",
                """\
                reply = await line.send(job.prepared.encoded or b"", job.prepared.control_id or "")
""",
                """\
                from messages.identity import control_id

                old = job.prepared.control_id
                new = control_id() if job.work.delivery.attempts else old
                reply = await line.send(job.prepared.encoded.replace(old.encode(), new.encode()), new)
""",
            ),
        ),
        caught_by=("tests/engine/test_lanes.py",),
    ),
    Bug(
        name="messages are ordered by another key",
        edits=(("channels/door.py", "key=admission.key,", "key=str(sorted(admission.index.items())),"),),
        caught_by=("tests/engine/test_lanes.py",),
    ),
    Bug(
        name="retries without a wait",
        edits=(
            (
                "channels/backoff.py",
                """\
    first, longest = bounds
""",
                """\
    return 0.0
    first, longest = bounds
""",
            ),
        ),
        caught_by=("tests/rig/test_retries.py",),
    ),
    Bug(
        name="SENT before it is sent",
        edits=(
            (
                "channels/lane.py",
                """\
        held = await self._commit(answers, [*steps, *claims])
""",
                """\
        held = await self._commit(answers, [*steps, *claims])
        from messages.lifecycle import Status

        early = [(job.work.delivery.id, Status.PENDING, Event.ACCEPTED) for job in jobs]
        await self._commit([], [Step(delivery=d, status=s, event=e) for d, s, e in early])
""",
            ),
        ),
        caught_by=(
            "tests/rig/test_kill_points.py",
            "-k",
            "lanes",
        ),
    ),
    Bug(
        name="sent before the claim is committed",
        edits=(
            (
                "channels/lane.py",
                """\
        held = await self._commit(answers, [*steps, *claims])
""",
                """\
        await self._commit(answers)
        for job in jobs:
            await line.send(job.prepared.encoded, job.prepared.control_id)
        held = await self._commit([], [*steps, *claims])
""",
            ),
            (
                "channels/lane.py",
                """\
                reply = await line.send(job.prepared.encoded or b"", job.prepared.control_id or "")
""",
                """\
                from connectors.base import Reply

                reply = Reply(raw=b"", event=Event.ACCEPTED)
""",
            ),
        ),
        caught_by=(
            "tests/rig/test_kill_points.py",
            "-k",
            "lanes",
        ),
    ),
    Bug(
        name="pending messages are pruned",
        edits=(("store/retention.py", "d.status IN ('RECEIVED', 'TRANSFORMED', 'QUEUED', 'PENDING', 'ERROR')", "0"),),
        caught_by=("tests/engine/test_retention.py",),
    ),
    Bug(
        name="a known identity is processed again",
        edits=(
            (
                "store/store.py",
                """\
    known = tx.execute(queries.ARRIVAL_OF_IDENTITY, (identity,)).fetchone()
""",
                """\
    known, identity = None, __import__("os").urandom(16)
""",
            ),
        ),
        caught_by=("tests/rig/test_repeats.py",),
    ),
    Bug(
        name="a crash while mapping is not counted",
        edits=(
            (
                "channels/prepare.py",
                """\
        store.mark.set(delivery.id)
""",
                "",
            ),
        ),
        caught_by=("tests/rig/test_poison.py",),
    ),
)
