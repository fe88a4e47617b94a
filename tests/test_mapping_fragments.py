"""Fragments: lines that several mappings share stand as if written in each, and are told about at their own place."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from host.command_line import plugin_host as front_door
from transformers.mapping_check import check_mapping
from transformers.mapping_site import load_site
from transformers.mapping_tests import run_tests

SITE = Path(__file__).parent / "mapping_site"
SHIPPED = Path(__file__).parents[1] / "mappings"
LINES = '  PID-5[]: { from: "%patient.name", as: XPN, required: true }\n'
FRAGMENT = f"version: 1\nfragment: The patient's name\nneeds: [patient]\nmap:\n{LINES}"


@pytest.fixture
def site(tmp_path):
    site = Path(shutil.copytree(SITE, tmp_path / "site"))
    (site / "fragments").mkdir()
    text = (site / "base.yaml").read_text()
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("  PID-5")]
    at = next(number for number, line in enumerate(lines) if line.startswith("map:"))
    lines.insert(at + 1, "  use: fragments/name.yaml\n")
    (site / "base.yaml").write_text("".join(lines))
    (site / "fragments" / "name.yaml").write_text(FRAGMENT)
    return site


def check(site: Path):
    return check_mapping(site / "base.yaml", load_site(site, {}), "base.yaml")


def told(site: Path) -> list[str]:
    return [str(problem).replace(f"{site.as_posix()}/", "") for problem in check(site).problems]


def test_a_mapping_with_a_fragment_writes_what_it_would_with_its_lines(site):
    checked = check(site)
    assert told(site) == []

    (result,) = run_tests(checked, site)
    assert result.differences == ()
    assert "site/fragments/name.yaml:5:3" in result.trace.touched
    assert list(checked.plan["inputs"]["fragments"]) == ["fragments/name.yaml"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("%patient.name", "%patient.nmae", "fragments/name.yaml:5:30: error E103 "),
        ("as: XPN", "as: XPM", "fragments/name.yaml:5:41: error E120 there is no format 'XPM'"),
        ("PID-5[]", "PID-55[]", "fragments/name.yaml:5:3: error E403 "),
        ("required: true", "requird: true", "fragments/name.yaml:5:46: error E020 unknown word 'requird'"),
        ("needs:", "neds:", "fragments/name.yaml:3:1: error E020 unknown word 'neds'"),
        ("needs: [patient]", "needs: [doctor]", "base.yaml:{use}: error E161 fragments/name.yaml needs %doctor"),
        ("map:\n", "map:\n  use: fragments/name.yaml\n", "fragments/name.yaml:5:3: error E162 "),
        ("map:\n", "map:\n  SCH-6: { value: X }\n", "base.yaml:{use}: error E163 fragments/name.yaml writes SCH-6 too"),
        ("map:\n", "map: &x\n", "fragments/name.yaml:4:6: error E004 "),
    ],
)
def test_what_is_wrong_with_a_fragment_is_told_at_its_place(site, old, new, says):
    file = site / "fragments" / "name.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    text = (site / "base.yaml").read_text()
    line = text.splitlines().index("  use: fragments/name.yaml") + 1

    assert any(one.startswith(says.format(use=f"{line}:8")) for one in told(site)), told(site)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fragments/nmae.yaml", "error E160 there is no fragments/nmae.yaml\n    did you mean 'fragments/name.yaml'?"),
        ("../site/fragments/name.yaml", "error E006 "),
        ("/etc/passwd", "error E006 "),
        ("site.yaml", "error E006 "),
        ("[fragments/name.yaml, fragments/name.yaml]", "error E163 fragments/name.yaml writes PID-5[] too"),
        ("[{ a: b }]", "error E022 'use' names a file"),
    ],
)
def test_a_wrong_name_is_told_at_the_use_alone(site, name, says):
    file = site / "base.yaml"
    file.write_text(file.read_text().replace("use: fragments/name.yaml", f"use: {name}"))

    (one,) = told(site)
    assert says in one
    assert one.startswith("base.yaml:")


PROFILE = "version: 1\nfragment: Orders\nmessage: { request: ORM^O01^ORM_O01, cancel: ORM^O01^ORM_O01 }\n"
ORDER = """map:
  MSH-3: { site: endpoint.app }
  ORC-1: { request: NW, cancel: { from: "%orders.id.first()", default: CA } }
"""


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (PROFILE + ORDER, []),
        ("version: 1\nfragment: Orders\n" + ORDER, ["error E164 fragments/orm.yaml is no profile"]),
        (PROFILE + "needs: [doctor]\n" + ORDER, ["error E161 fragments/orm.yaml needs %doctor"]),
        (PROFILE + ORDER.replace("ORC-1", "OCR-1"), ["error E409 ORM_O01 requires the group", "error E402 "]),
    ],
    ids=["whole", "without messages", "a name that is not there", "a mistake in its map"],
)
def test_a_profile_stands_for_the_messages_and_the_map_of_a_destination(site, profile, says):
    (site / "fragments" / "orm.yaml").write_text(profile)
    file = site / "base.yaml"
    file.write_text(
        file.read_text().replace("    station: ris\n", "    station: ris\n    profile: fragments/orm.yaml\n")
    )

    found = told(site)

    assert len(found) == len(says)
    assert all(words in one for words, one in zip(says, found, strict=True)), found
    if not says:
        assert check(site).plan["destinations"]["ris"]["message"]["request"] == "ORM^O01^ORM_O01"


def test_a_destination_has_a_profile_or_a_map_of_its_own(site):
    (site / "fragments" / "orm.yaml").write_text(PROFILE + ORDER)
    file = site / "base.yaml"
    line = "    station: ris\n    profile: fragments/orm.yaml\n    map: { MSH-3: { value: A } }\n"
    file.write_text(file.read_text().replace("    station: ris\n", line))

    (one,) = told(site)
    assert "error E163 ris has a map of its own, and fragments/orm.yaml has one too" in one


def test_a_block_may_use_a_fragment_too(site):
    (site / "fragments" / "note.yaml").write_text(
        'version: 1\nfragment: a note\nmap:\n  NTE-1: { number: true }\n  NTE-3: { from: "%note" }\n'
    )
    file = site / "base.yaml"
    block = '  NTE[]:\n    for: "%appt.comment"\n    name: note\n    map: { use: fragments/note.yaml }\n'
    file.write_text(file.read_text().replace("map:\n", f"map:\n{block}", 1))

    assert told(site) == []


def test_a_changed_fragment_is_another_revision(site):
    before = check(site).plan
    file = site / "fragments" / "name.yaml"
    file.write_text(file.read_text() + "# more\n")

    assert check(site).plan != before


def test_who_uses_a_fragment_is_listed(site):
    (site / "fragments" / "old.yaml").write_text(FRAGMENT)
    runner = CliRunner()
    text = runner.invoke(front_door, ["fragments", "--site", str(site)])
    data = json.loads(runner.invoke(front_door, ["fragments", "--site", str(site), "--json"]).stdout)

    assert text.exit_code == 0
    assert text.stdout == (
        "fragments/name.yaml  The patient's name\n    used by base\n"
        "fragments/old.yaml  The patient's name\n    used by nobody\n"
    )
    assert data["fragments"][0] == {
        "fragment": "fragments/name.yaml",
        "about": "The patient's name",
        "needs": ["patient"],
        "used_by": ["base"],
    }


def test_the_shipped_channels_share_the_patient_and_their_users_are_listed():
    data = json.loads(CliRunner().invoke(front_door, ["fragments", "--site", str(SHIPPED), "--json"]).stdout)

    (patient,) = [one for one in data["fragments"] if one["fragment"] == "fragments/pid.yaml"]
    assert "appointment-to-powerserver" in patient["used_by"]
    assert data["problems"] == []
