"""Where the fields of a message that was sent came from, for its page: as it was mapped then."""

from __future__ import annotations

from host.origins import origins
from store import history
from tests.replay.kit import CHANNEL, bundle


def origins_of(running, message: str):
    store = running.store()
    try:
        number = next(
            number
            for number in history.numbers(store.connection, CHANNEL)
            if history.past(store.connection, number).message.id == message
        )
        return origins(store.connection, number)
    finally:
        store.close()


def test_each_field_has_its_rule_source_value_and_conversion(running):
    [message] = running.deliver(bundle(1))
    found = {one.target: one for one in origins_of(running, message)["powerserver"]}

    name, sex = found["PID-5"], found["PID-8"]
    assert name.rule.startswith("mappings/fragments/pid.yaml:")
    assert (name.source, name.conversion) == ("%patient.name", "as: XPN")
    assert (sex.place, sex.source, sex.conversion) == ("PID-8", "%patient.gender", "table: of this rule")
    assert found["SCH-11.4"].place == "SCH-11"
    assert sex.rule.startswith(f"mappings/{CHANNEL}.yaml:")


def test_the_rules_are_those_of_the_revision_that_mapped_it(running):
    [before] = running.deliver(bundle(1))
    changed = running.changed(('PID-8: { from: "%patient.gender"', 'PID-8: { from: "%patient.gender.lower()"'))
    result = running.command("deploy", changed)
    assert result.code == 0, result.err

    sources = {one.target: one.source for one in origins_of(running, before)["powerserver"]}
    assert sources["PID-8"] == "%patient.gender"


def test_what_was_not_mapped_has_no_origins(running):
    def ended(appointment):
        appointment["status"] = "entered-in-error"

    [message] = running.deliver(bundle(1, Appointment=ended))

    assert origins_of(running, message) == {}
