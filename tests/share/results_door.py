"""A FHIR door whose Tasks say what a test wants: what becomes of results without a channel behind it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from messages.identity import message_id


class Door(ThreadingHTTPServer):
    """A FHIR door: takes Bundles, and tells of each the Task status that the test gives it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Asked)
        self.taken: dict[str, dict] = {}
        self.says = "completed"
        self.answers = 202
        self.base = f"http://127.0.0.1:{self.server_address[1]}/fhir"


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        bundle = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.answers != 202:
            coding = {"coding": [{"code": "NO_CHANNEL"}], "text": f"not {bundle['entry'][0]['resource']['id']}"}
            self._say(self.server.answers, {"resourceType": "OperationOutcome", "issue": [{"details": coding}]})
            return
        known = {json.dumps(held): one for one, held in self.server.taken.items()}
        number = known.get(json.dumps(bundle)) or message_id()
        self.server.taken[number] = bundle
        entries = [{"response": {"status": "202 Accepted"}} for _ in bundle["entry"]]
        entries[0]["response"]["location"] = f"Task/{number}"
        self._say(202, {"resourceType": "Bundle", "type": "transaction-response", "entry": entries})

    def do_GET(self):
        self._say(200, {"resourceType": "Task", "status": self.server.says})

    def _say(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Be quiet."""


@contextmanager
def door_open():
    """Run a door."""
    with Door() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()
