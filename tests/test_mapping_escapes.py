"""A mapping file cannot run code, read what is not the site's, or keep the check busy.

Whatever is tried, all that comes of it is a problem with its place.
"""

import itertools
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transformers.base import Given
from transformers.mapping_check import check_mapping
from transformers.mapping_explain import trace
from transformers.mapping_site import load_site

SITE = Path(__file__).parent / "mapping_site"
BASE = (SITE / "base.yaml").read_text()
LOADED = load_site(SITE, {})
#: What attempts try to make.
CANARY = Path(tempfile.gettempdir()) / "plugin-host-escaped"

#: Where an expression stands in tests/mapping_site/base.yaml.
EXPRESSIONS = {
    "from": '"%appt.minutesDuration"',
    "let": '"%appt.basedOn.resolve().ofType(ServiceRequest)"',
    "route": "\"%appt.status = 'cancelled'\"",
    "order": '"%patient.id"',
    "for": '"%orders"',
    "each": "Bundle.entry.resource.ofType(Appointment)",
    "looked up": '"%order.code.coding.code.first()"',
    "one of several": '"%appt.description"',
}
CODE = [
    "%appt.__class__",
    "%appt.__class__.__mro__[1].__subclasses__()",
    "%appt.start.__init__.__globals__",
    "%appt.start.format('{0.__class__}')",
    "'{0.__class__}'.format(%appt)",
    "'%s' % %appt.__dict__",
    f"__import__('os').system('touch {CANARY}')",
    f"eval(\"open('{CANARY}', 'w')\")",
    "exec('import os')",
    "open('/etc/passwd').read()",
    "getattr(%appt, 'start')",
    "%appt.getattr('start')",
    "globals()",
    "lambda: 1",
    "[x for x in ().__class__.__bases__]",
    "%__builtins__",
    "%environ.HOME",
    "%site.__class__",
    "%site.endpoint.__dict__",
    "%site.oauth.secret",
    "${secret:OAUTH}",
    "${HOME}",
    "{{ 7 * 7 }}",
    "#{7*7}",
    f"$(touch {CANARY})",
    f"%appt; touch {CANARY}",
    "%appt.start.memberOf('http://example.com/x')",
    "%appt.resolve('file:///etc/passwd')",
    "%terminologies.lookup('x')",
    "(" * 3000,
    "%appt" + ".where(" * 500,
    "not " * 3000 + "true",
    "%appt." * 2000,
    "1" * 5000 + ".." + "1",
    "@99999999-99-99",
    "'" + "\\u12" * 500,
    "%appt.start.matches('(((((",
    "\x00",
]

#: Where something is named.
NAMES = {
    "table": ("table: codes.ris", "table: {}"),
    "table of a format": ("as: EI, table: authorities", "as: EI, table: {}"),
    "format": ("as: timestamp", "as: {}"),
    "site value": ("site: endpoint.app", "site: {}"),
    "same": ("same: SCH-16", "same: {}"),
    "sample": ("given: samples/request.json", "given: {}"),
    "golden message": ("expect: { SCH-6: NEW }", "expect: {{ message: {} }}"),
    "fragment": ("map:\n  MSH-3", "map:\n  use: {}\n  MSH-3"),
    "station": ("station: ris", "station: {}"),
    "connector": ("connector: mllp-sender", "connector: {}"),
    "channel": ("channel: base", "channel: {}"),
    "target": ("SCH-9:", "{}:"),
    "pointer": ("/entry/0/resource/status:", "{}:"),
    "action": ("do: cancel", "do: {}"),
    "message": ("cancel: SIU^S15^SIU_S12", "cancel: {}"),
}
PLACES = [
    "../../../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows\\win.ini",
    "C:/windows/win.ini",
    "samples/../../../etc/passwd",
    "file:///etc/passwd",
    "http://example.com/x",
    "~/.ssh/id_rsa",
    "__class__.__mro__",
    "{0.__class__}",
    "${HOME}",
    "${secret:OAUTH}",
    f"; touch {CANARY}",
    "a\x00b",
    "A" * 20000,
    "%n%s%x",
]

TITLE = "title: The smallest whole mapping"
YAML = {
    "object": f"title: !!python/object/apply:os.system ['touch {CANARY}']",
    "name": "title: !!python/name:os.system",
    "module": "title: !!python/module:os",
    "new": "title: !!python/object/new:tuple [[1]]",
    "include": "title: !include /etc/passwd",
    "own tag": "title: !<tag:example.com,2000:x> y",
    "binary": "title: !!binary aGVsbG8=",
    "set": "title: !!set { a, b }",
    "anchor": "title: &a x",
    "alias": "title: *a",
    "merge": "title: x\n<<: { channel: other }",
    "bomb": "let0: &a [x, x, x, x, x, x, x, x, x]\n"
    + "\n".join(f"let{n}: &{chr(97 + n)} [{', '.join(['*' + chr(96 + n)] * 9)}]" for n in range(1, 12)),
    "itself": "title: &a [*a]",
    "second document": "title: x\n---\na: b",
    "end": "title: x\n...\nmore: y",
    "directive": "title: x\n%YAML 9.9",
    "deep list": "title: " + "[" * 5000,
    "deep map": "title: " + "{a: " * 5000,
    "nested": "title: " + "[" * 60 + "x" + "]" * 60,
    "many": "title: [" + "x, " * 60000 + "]",
    "huge": "title: " + "x" * 1_100_000,
    "complex key": "? [a, b]\n: c",
    "control": "title: a\x07b",
    "nul": "title: a\x00b",
    "twice": "title: x\ntitle: y",
    "surrogate": 'title: "\\ud800"\nmore: x',
    "dunder": "__class__: x",
    "number": "title: x\nretention: 1e999999999",
}


def attempts():
    for (slot, old), attempt in itertools.product(EXPRESSIONS.items(), CODE):
        yield pytest.param(old, json.dumps(attempt), id=f"{slot}: {attempt[:40]!r}")
    for (slot, (old, new)), attempt in itertools.product(NAMES.items(), PLACES):
        yield pytest.param(old, new.format(json.dumps(attempt)), id=f"{slot}: {attempt[:40]!r}")
    for name, text in YAML.items():
        yield pytest.param(TITLE, text, id=f"YAML: {name}")


ATTEMPTS = list(attempts())


def test_there_are_at_least_300_attempts():
    assert len(ATTEMPTS) >= 300


@pytest.mark.parametrize(("old", "new"), ATTEMPTS)
def test_an_attempt_is_a_placed_problem_and_nothing_else(old, new, tmp_path):
    assert BASE.count(old) == 1
    path = tmp_path / "m.yaml"
    path.write_text(BASE.replace(old, new))
    lines = len(path.read_text().splitlines())

    began = time.process_time()
    checked = check_mapping(path, LOADED, "m.yaml")
    spent = time.process_time() - began

    assert checked.plan is None
    errors = [problem for problem in checked.problems if problem.severity == "error"]
    assert errors
    for problem in errors:
        assert problem.place is not None
        assert problem.place.file == "m.yaml"
        assert 1 <= problem.place.line <= lines + 1
        assert "root:" not in f"{problem.text}{problem.hint}"
    assert not CANARY.exists()
    assert spent < 20  # a machine that is busy otherwise takes four times as long


#: Expressions that are right and were expensive where regular expressions backtrack, or numbers have no end.
HEAVY = [
    "('a'.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')).matches('(a+)+$').toString()",
    "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!').replaceMatches('(a|aa)+$', 'x').substring(0, 3)",
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('(.*)*x').toString()",
    "%appt.repeat($this).id.first()",
    "%appt.descendants().count().toString()",
]


@pytest.mark.parametrize("expression", HEAVY)
def test_a_heavy_expression_is_worked_out_at_once(expression, tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(BASE.replace("map:\n", f"map:\n  NTE-3: {{ from: {json.dumps(expression)} }}\n", 1))
    checked = check_mapping(path, LOADED, "m.yaml")
    if checked.plan is None:
        assert all(problem.place for problem in checked.problems)
        return
    document = json.loads((SITE / "samples" / "request.json").read_bytes())
    began = time.process_time()
    trace(checked.plan, document, Given(now=datetime.now(UTC), control_id="C", destination="ris", focus=0))

    assert time.process_time() - began < 1
