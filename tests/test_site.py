from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest

from host import site as sites
from host.codes import codes
from messages.problem import Problems

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(ROOT / "mappings", tmp_path / "mappings"))


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def _problems(folder: Path) -> list[str]:
    site = sites.read_site(folder)
    files = sites.check_files(site, sites.mapping_files(folder))
    return [str(p).replace(f"{folder.as_posix()}/", "") for file in files for p in file.problems]


def test_the_shipped_site_has_no_problem(folder):
    assert _problems(folder) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        (
            "appointment-to-powerserver.yaml", "connector: mllp-sender", "connector: mlp-sender",
            "error E151 no connector 'mlp-sender': did you mean 'mllp-sender'?",
        ),
        (
            "appointment-to-powerserver.yaml", "connector: mllp-sender", "connector: fhir-listener",
            "error E152 'fhir-listener' is not a destination connector",
        ),
        (
            "appointment-to-powerserver.yaml", "connector: fhir-listener", "connector: mllp-sender",
            "error E152 'mllp-sender' is not a source connector",
        ),
        (
            "site.yaml", "answer_within: 30", "answer_in: 30",
            "error E153 MllpSender has no setting 'answer_in'\n    did you mean 'answer_within'?",
        ),
        (
            "site.yaml", "answer_within: 30", "answer_within: soon",
            "error E153 answer_within must be a number, not 'soon'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_connector_or_setting_is_told_with_its_place(folder, file, old, new, problem):
    _edit(folder / file, old, new)

    # A station that two files name is wrong in both, at its one place.
    (found,) = {text for text in _problems(folder) if re.search("E15[0-9]", text)}

    place, _, rest = found.partition(": ")
    assert rest.startswith(problem)
    line = (folder / file).read_text("utf-8").splitlines()[int(place.split(":")[1]) - 1]
    assert new in line


def test_two_files_of_one_channel_are_told(folder):
    shutil.copy(folder / "appointment-to-powerserver.yaml", folder / "copy.yaml")

    told = [text for text in _problems(folder) if "E150" in text]

    assert [text.partition(": error E150 ")[::2] for text in told] == [
        (
            f"{one}:4:10",
            f"channel 'appointment-to-powerserver' is also defined in {other}\n    give each file a name of its own",
        )
        for one, other in itertools.permutations(("appointment-to-powerserver.yaml", "copy.yaml"))
    ]


def test_the_status_page_stays_on_this_machine(folder):
    _edit(folder / "site.yaml", "console:\n  host: 127.0.0.1", "console:\n  host: 0.0.0.0")

    with pytest.raises(Problems, match=r"E154 console.host is 0\.0\.0\.0: off this machine the status page"):
        sites.read_site(folder)


def test_every_code_that_is_raised_is_explained():
    raised = set()
    for room in ("host", "transformers"):
        for path in (ROOT / room).glob("*.py"):
            raised |= set(re.findall(r'"(E[0-9]{3})"', path.read_text("utf-8")))

    assert raised - set(codes()) == set()
