"""The rules of the house, as tests: who imports whom, how long a file may be, what may not stand in one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import table

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *(path for room in table.ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "node_modules" not in path.parts),
    ROOT / "plugin_host.py",
]


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def wrong_imports(module: str, imports: set[str]) -> list[str]:
    """Return the imports that the table does not allow in a module."""
    room = module.split(".", maxsplit=1)[0]
    wrong = []
    for name in sorted(imports):
        top = name.split(".")[0]
        if top in table.ROOMS and top != room:
            allowed = table.ROOMS[room][1]
            if not any(name == may or name.startswith(f"{may}.") for may in allowed):
                wrong.append(name)
        elif top in table.LIBRARIES and not {room, module} & table.LIBRARIES[top]:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_the_table_allows(path):
    assert wrong_imports(_module(path), _imports(path)) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("messages", "store.store"),
        ("connectors", "store"),
        ("channels", "connectors.mllp_sender.MllpSender"),
        ("console", "channels.lane"),
        ("transformers", "flask"),
        ("store", "click"),
        ("simulators", "messages"),
        ("connectors.fhir_client", "httpx"),
    ],
)
def test_the_import_rule_can_fail(module, name):
    assert wrong_imports(module, {name}) == [name]


#: What is no room: the same length holds there.
BESIDE = [path for folder in ("tests", "bench", "docs") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize(
    "path",
    [*SOURCES, *(path for path in BESIDE if "node_modules" not in path.parts)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_the_median_file_has_at_most_150_lines():
    lengths = sorted(len(path.read_text("utf-8").splitlines()) for path in SOURCES if path.stat().st_size)
    assert lengths[len(lengths) // 2] <= 150


_FORBIDDEN_CALLS = {"print", "eval", "exec", "compile", "breakpoint", "__import__"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_print_and_no_code_from_text(path):
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    found = _FORBIDDEN_CALLS & set(calls)
    allowed = {"print"} if _room(path) == "simulators" or "definitions" in path.parts else set()
    assert found - allowed == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_exception_is_swallowed(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass | ast.Continue)
            assert not (broad and silent), f"line {node.lineno}"


def test_no_test_sleeps_or_mocks():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if "node_modules" in path.parts or path == Path(__file__):
            continue
        text = path.read_text("utf-8")
        assert not re.search(r"\btime\.sleep\(|unittest\.mock|monkeypatch\.setattr\((messages|store|channels)", text), (
            path
        )


@pytest.mark.parametrize("role", ["role_intake", "role_lanes"])
def test_a_worker_process_loads_nothing_that_is_only_for_checking(role):
    code = f"import sys, plugin_host, host.{role}, transformers.fhir_to_hl7; print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    loaded = {name.split(".")[0] for name in modules.split()}
    assert loaded & set(table.CHECK_TIME) == set()
