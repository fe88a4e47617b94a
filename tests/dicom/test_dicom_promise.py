"""0000H is said of what is on the disk: seen in the system calls of the host's process, and where one of them fails."""

import asyncio
import json
import re
import sys
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from bench.processes import first_line, leave, pipes, python
from connectors.dicom_base import Verdict
from host.roles import Assignment
from host.running import prepare_store
from tests.dicom.kit import ours
from tests.dicom.peers import US
from tests.rig import tracing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is Linux's")

CALLS = ("fsync", "fdatasync", "rename", "sendto")
#: What must have happened, in this order, before an instance is answered.
STEPS = {
    "its file is synced": r"fsync\(\d+<[^>]*/dicom/\w+\.part>\) += 0",
    "it has its name": r"rename\(\"[^\"]*/\w+\.part\", \"[^\"]*\.dcm\"\) += 0",
    "its name is synced": r"fsync\(\d+<[^>]*/dicom>\) += 0",
    "its row is synced": r"f(data)?sync\(\d+<[^>]*-wal>\) += 0",
    "the row's mark is synced": r"fdatasync\(\d+<[^>]*/high-water-dicom>\) += 0",
}
#: P-DATA-TF: the response.
ANSWER = r"sendto\(\d+[^,]*, \"\\4\\0"


def finished(output):
    """Yield the calls in the order in which they ended; an answer, when it began."""
    begun = {}
    for line in output.read_text("utf-8", "replace").splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>") and not re.match(ANSWER, call):
            begun[thread] = call.removesuffix("<unfinished ...>").rstrip()
        elif call.startswith("<... "):
            yield begun.pop(thread, "") + call.partition("resumed>")[2]
        else:
            yield call


def answers(lines):
    """Return what was done, in this order, before each answer to an instance and after the one before."""
    done = [[]]
    for line in lines:
        waited_for = list(STEPS)[len(done[-1]) :][:1]
        if re.match(ANSWER, line):
            done.append([])
        elif waited_for and re.match(STEPS[waited_for[0]], line):
            done[-1] += waited_for
    return done[:-1]


@contextmanager
def traced(folder, trace):
    """Run the `dicom` process of the host; `trace(pid)` gives a tracer before it has begun."""
    prepare_store(folder)
    assignment = Assignment(
        role="dicom", data=str(folder), site="test", zone="UTC", console_host="127.0.0.1", console_port=0,
        folder="mappings", retention_days=30, dicom={"ae_title": US, "port": 0, "peers": [f"{US}@127.0.0.1"]},
    )  # fmt: skip
    process = python("plugin_host.py", "role", "dicom")
    tracer = None
    try:
        tracer = trace(process.pid)
        stdin, _ = pipes(process)
        stdin.write(json.dumps(asdict(assignment)).encode() + b"\n")
        stdin.flush()
        (where,) = first_line(process)["ready"]
        yield int(where.rpartition(":")[2])
    finally:
        leave(process)
        if tracer is not None:
            tracer.wait(20)
            tracer.stderr.close()


def _stored(port, instances, **settings):
    async def store():
        return [outcome async for outcome in ours(port, **settings).store(instances)]

    return asyncio.run(store())


def seen_calls(folder, instances):
    """Store the instances and return the calls; anew where the tracer missed answers that certainly were given."""
    for n in range(3):
        output = folder / f"calls-{n}"
        with traced(folder / f"data-{n}", lambda pid, to=output: tracing.count_calls(pid, CALLS, to)) as port:
            outcomes = _stored(port, instances)
        lines = list(finished(output))
        assert [outcome.verdict for outcome in outcomes] == [Verdict.SUCCESS] * len(instances)
        if len([line for line in lines if re.match(ANSWER, line)]) == len(instances):
            return lines
    return pytest.fail(f"the tracer saw no answers: {lines[-20:]}")


def test_an_instance_is_answered_after_its_file_its_name_and_its_row_are_on_the_disk(tmp_path, instances):
    lines = seen_calls(tmp_path, instances[:3])

    assert answers(lines) == [list(STEPS)] * 3, lines[-60:]
    for pattern in STEPS.values():  # without any of them the test would fail
        assert answers([line for line in lines if not re.match(pattern, line)]) != [list(STEPS)] * 3
    answer = next(line for line in lines if re.match(ANSWER, line))
    early = [answer, *(line for line in lines if line is not answer)]
    assert answers(early)[0] != list(STEPS)


def test_an_instance_that_the_disk_does_not_take_is_answered_out_of_resources_and_leaves_nothing(tmp_path, instances):
    with traced(tmp_path / "data", lambda pid: tracing.fail_at(pid, ("rename", 1))) as port:
        outcomes = _stored(port, instances[:3], attempts=1)
    stored = [outcome for outcome in outcomes if outcome.is_stored]

    assert (outcomes[0].verdict, outcomes[0].status) == (Verdict.DEFERRED, 0xA700)
    assert {outcome.status for outcome in outcomes} <= {0xA700, 0x0000}
    assert len(list((tmp_path / "data" / "dicom").iterdir())) == len(stored)
