"""Whatever patients and staff do at the same time, and whatever is lost, repeated or overtaken: in the end both agree.

A longer run: `python -m tests.appointment.test_both_agree 150` (seconds; 50 steps each). It says every ten seconds how
far it is, and at the end how many appointments ended in agreement, and of how many a message was parked for a person.
"""

import json
import sys
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.appointment.models import SLOTS, Host

#: How examples ended, for the longer run.
ENDS: Counter[str] = Counter()
#: What Blume shows for PowerServer's status; SCHEDULED with the priority of a request is one.
SHOWN = {"CONFIRMED": "booked", "ARRIVED": "arrived", "CANCELLED": "cancelled"}


class BothSides(RuleBasedStateMachine):
    """One appointment. Patients and staff do what their own screens let them do, at any time."""

    make_host = Host

    def __init__(self):
        super().__init__()
        self.host = self.make_host()
        self.blume, self.powerserver = self.host.blume, self.host.powerserver

    @initialize(start=st.sampled_from(SLOTS), by_staff=st.booleans())
    def begins(self, start, by_staff):
        if by_staff:
            self.powerserver.staff("SCHEDULED", start)
            self.powerserver.tells[-1] |= {"event": "S12"}
            del self.powerserver.tells[-1]["placer"]
            self.host.quiet()
        else:
            self.patient("proposed", start)

    def patient(self, status, start):
        end = start.replace(hour=start.hour + 1)
        self.blume.patient(
            placer="appt-1", status=status, start=start.isoformat(), end=end.isoformat(), resource="CT", other="x"
        )

    def now(self):
        return next(slot for slot in SLOTS if slot.isoformat() == self.blume.held["start"])

    @precondition(lambda self: self.blume.held.get("status") == "pending")
    @rule()
    def the_patient_confirms(self):
        self.patient("booked", self.now())

    @precondition(lambda self: self.blume.held.get("status") in {"pending", "booked", "proposed"})
    @rule(start=st.sampled_from(SLOTS))
    def the_patient_moves(self, start):
        self.patient("proposed", start)

    @precondition(lambda self: self.blume.held.get("status") in {"booked", "proposed"})
    @rule()
    def the_patient_cancels(self):
        self.patient("cancelled", self.now())

    @precondition(lambda self: self.powerserver.status == "SCHEDULED")
    @rule()
    def staff_confirm(self):
        self.powerserver.staff("CONFIRMED")

    @precondition(lambda self: self.powerserver.status in {"SCHEDULED", "CONFIRMED"})
    @rule(start=st.sampled_from(SLOTS), status=st.sampled_from(["SCHEDULED", "CONFIRMED"]))
    def staff_move(self, start, status):
        self.powerserver.staff(status, start)

    @precondition(lambda self: self.powerserver.status in {"SCHEDULED", "CONFIRMED"})
    @rule()
    def staff_cancel(self):
        self.powerserver.staff("CANCELLED")

    @precondition(lambda self: self.powerserver.status == "CONFIRMED")
    @rule()
    def the_patient_arrives(self):
        self.powerserver.staff("ARRIVED")

    @rule(twice=st.booleans())
    def blume_tells(self, twice):
        self.host.out.accept(twice=twice)

    @rule(twice=st.booleans())
    def powerserver_tells(self, twice):
        self.host.back.accept(twice=twice)

    @rule(lose=st.booleans())
    def the_way_to_powerserver_goes_on(self, lose):
        self.host.out.work(lose=lose)

    @rule(lose=st.booleans())
    def the_way_to_blume_goes_on(self, lose):
        self.host.back.work(lose=lose)

    def teardown(self):
        if self.powerserver.status is None and not self.blume.held:
            return
        ENDS["appointments"] += 1
        self.host.quiet()
        acts = self.blume.acts + self.powerserver.acts
        assert self.powerserver.received <= self.blume.acts, "PowerServer got more than the patient did"
        assert self.blume.written <= acts + 1, "Blume was written more often than anybody did something"
        if self.host.out.parked or self.host.back.parked:
            ENDS["parked"] += 1
            return  # a person is asked: the two are apart, and it is said
        asked = self.powerserver.asked
        shown = SHOWN.get(self.powerserver.status) or ("proposed" if asked else "pending")
        there = self.powerserver.start.isoformat()
        assert (self.blume.held["status"], self.blume.held["start"]) == (shown, there)
        ENDS["agreed"] += 1


class ForgetfulHost(Host):
    """Remembers nothing of an appointment."""

    @property
    def memory(self):
        return None

    @memory.setter
    def memory(self, _given):
        pass


class Forgetful(BothSides):
    """The same with a host that remembers nothing: what the test is there to find."""

    make_host = ForgetfulHost


def run(examples, steps=30, machine=BothSides, **more):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck), **more,
        ),
    )  # fmt: skip


def test_in_the_end_both_sides_agree_and_nothing_is_echoed():
    run(60, derandomize=True)


def test_a_host_without_memory_is_found_out():
    with pytest.raises(AssertionError):
        run(
            40,
            machine=Forgetful,
            derandomize=True,
            phases=[Phase.generate],
            print_blob=False,
            verbosity=Verbosity.quiet,
        )


def main(seconds: float) -> None:
    """Run many examples, some at a time, until the time is over; an example that fails raises."""
    began = told = time.monotonic()
    while time.monotonic() - began < seconds:
        # Each time others; what fails is shown as it was found: to make it smaller takes longer than all the rest.
        run(25, steps=50, database=None, phases=[Phase.generate])
        if time.monotonic() - told > 10:
            told = time.monotonic()
            sys.stderr.write(f"{told - began:.0f} s: {ENDS['appointments']} appointments\n")
    sys.stdout.write(json.dumps({"seconds": round(time.monotonic() - began), "steps": 50, **ENDS}) + "\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 150)
