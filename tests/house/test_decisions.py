"""The list of decisions names each one by its own heading."""

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
LIST = (FOLDER / "README.md").read_text("utf-8")


def test_every_decision_is_listed_by_its_heading():
    for path in FOLDER.glob("[0-9]*.md"):
        number, heading = path.read_text("utf-8").splitlines()[0].removeprefix("# ").split(" ", 1)

        assert path.name.startswith(f"{number}-")
        assert f"| [{number}]({path.name}) | {heading} |" in LIST
