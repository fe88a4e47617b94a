"""What a host would find out for the pages, as the tests in a browser are told it."""

from __future__ import annotations

from console.works import NoWorks, Reached, Told, Would

#: `alerts:` of a site.
RULES = {
    "every": "1m", "queue_age": "15m", "queue_depth": 1000, "error_percent": 10, "error_least": 5,
    "silence": {"blume-appointment": "2h"}, "quiet": {"begin": "22:00", "end": "06:00"},
    "working_hours": {"days": ["mon"], "begin": "07:00", "end": "19:00"},
    "receivers": [{"kind": "email", "where": "it@clinic.example"}, {"kind": "webhook", "where": "hooks.example"}],
}  # fmt: skip


class Works(NoWorks):
    """Finds out what a test says: the mapping was mended, so all would pass."""

    def would(self, messages):
        return [Would(message=message, destination="powerserver", becomes="mapped") for message in messages]

    def difference(self, channel):
        return ["--- revision a1b2c3d4e5f6", "+++ mappings/blume-appointment.yaml", "-  PID-8: U", "+  PID-8: F"]

    def replay(self, channel):
        return ["412 messages: 398 same, 14 differ, all in PID-8", "0 new errors"]

    def reach(self, channel):
        return [Reached(destination="powerserver", problem=None), Reached(destination="b", problem="refused")]

    def tests(self, channel):
        tests = [
            {"name": "unknown gender becomes U", "passed": True, "differences": []},
            {"name": "a moved booking", "passed": False, "differences": ["SCH-11.4: 2025, not 2026"]},
        ]
        missing = [{"kind": "rules", "place": "a.yaml:3:1", "text": "PID-8"}]
        return {
            "tests": tests,
            "failed": 1,
            "coverage": {"figures": {"rules": {"touched": 3, "all": 4}}, "missing": missing},
        }

    def specification(self, channel):
        line = {
            "field": "PID-8",
            "name": "Administrative Sex",
            "source": "%patient.gender",
            "conversion": "table: sex",
            "example": "U",
        }
        event = {"when": "%appt.status = 'booked'", "then": "SIU^S12", "note": ""}
        return {
            "file": "blume-appointment.yaml", "owner": "interfaces@clinic.example",
            "facts": [["received by", "fhir-listener"]], "events": [event], "lines": [line],
        }  # fmt: skip

    def test_alerts(self):
        return [Told(receiver="email", problem=None)]
