"""Several destinations of one channel: each with its own message, map, version and order of going."""

import json
from datetime import datetime
from pathlib import Path

from transformers.base import Given
from transformers.fhir_to_hl7 import compile_plan
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site

SITE = Path(__file__).parent / "mapping_site"
BASE = (SITE / "base.yaml").read_text()
DOCUMENT = json.loads((SITE / "samples/request.json").read_text())
ARCHIVE = """\
  archive:
    connector: mllp-sender
    station: ris
    port: 7000
    hl7: "2.3.1"
    charset: 8859/1
    message: ADT^A08
    when_unanswered: hold
    retry: { wait: 500ms..2h, refused: 0 }
    parked: pass
    connections: 3
    after: { sent: ris }
    map:
      EVN-2: { from: "%appt.start", as: timestamp, required: true }
      PID-3[]: { from: "%patient.identifier", as: CX, table: authorities, required: true }
      PID-5[]: { from: "%patient.name", as: XPN, required: true }
      PV1-2: { value: O }
order:"""


def plan(folder: Path):
    text = BASE.replace("order:", ARCHIVE, 1).replace("    given:", "    destination: ris\n    given:")
    (folder / "m.yaml").write_text(text)
    checked = check_mapping(folder / "m.yaml", load_site(SITE, {}), "m.yaml")
    assert list(map(str, checked.problems)) == []
    return checked.plan


def test_the_plan_holds_what_each_destination_says(tmp_path):
    archive = plan(tmp_path)["destinations"]["archive"]

    assert {word: archive[word] for word in ("hl7", "when_unanswered", "retry", "parked", "connections", "after")} == {
        "hl7": "2.3.1",
        "when_unanswered": "hold",
        "retry": {"wait": [0.5, 7200.0], "refused": 0},
        "parked": "pass",
        "connections": 3,
        "after": {"ris": "SENT"},
    }
    assert archive["settings"] == {"host": "127.0.0.1", "port": 7000}
    assert archive["message"] == {"cancel": "ADT^A08^ADT_A01", "request": "ADT^A08^ADT_A01"}


def test_each_destination_is_sent_its_own_message(tmp_path):
    transformer = compile_plan(json.loads(json.dumps(plan(tmp_path))))
    now = datetime.fromisoformat("2025-11-20T15:30:00-03:00")

    sent = {
        name: transformer.transform(DOCUMENT, Given(now=now, control_id="C1", destination=name, focus=0)).encoded
        for name in ("ris", "archive")
    }

    assert sent["ris"].split(b"\r")[0].split(b"|")[8:12] == [b"SIU^S12^SIU_S12", b"C1", b"P", b"2.5.1"]
    assert sent["archive"].split(b"\r")[:-1] == [
        rb"MSH|^~\&|||||20251120153000.000-0300||ADT^A08^ADT_A01|C1|P|2.3.1||||||8859/1",
        b"EVN||20251201090000-0300",
        b"PID|||1^^^HOSPITAL&2.25.1&ISO^MR||Sousa^Ana^^^^^L",
        b"PV1||O",
    ]
