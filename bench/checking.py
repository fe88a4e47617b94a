"""How long `plugin-host check` takes for a site of many mapping files: anew, and when nothing changed.

python -m bench.checking [FILES]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from host.site import check_files, mapping_files, read_site

SHIPPED = Path(__file__).resolve().parents[1] / "mappings"
CHANNEL = "appointment-to-powerserver"


def make_site(folder: Path, files: int) -> Path:
    """Make a site of copies of the shipped mapping, which has some 100 rules; return its folder."""
    site = Path(shutil.copytree(SHIPPED, folder / "mappings"))
    for path in mapping_files(site):
        if path.stem != CHANNEL:
            path.unlink()
    text = (site / f"{CHANNEL}.yaml").read_text("utf-8")
    (site / f"{CHANNEL}.yaml").unlink()
    for number in range(files):
        name = f"{CHANNEL}-{number}"
        (site / f"{name}.yaml").write_text(text.replace(f"channel: {CHANNEL}", f"channel: {name}"), "utf-8")
    return site


def seconds(site: Path) -> float:
    """Return how long one check of a site takes, in this process."""
    began = time.perf_counter()
    files = check_files(read_site(site), mapping_files(site))
    assert all(file.is_fit for file in files)
    return time.perf_counter() - began


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as folder:
        site = make_site(Path(folder), files)
        print(f"{files} files, anew:        {seconds(site):6.2f} s")
        print(f"{files} files, unchanged:   {min(seconds(site) for _ in range(3)):6.2f} s")
        path = mapping_files(site)[0]
        path.write_text(path.read_text("utf-8") + "\n# changed\n", "utf-8")
        print(f"{files} files, one changed: {seconds(site):6.2f} s")


if __name__ == "__main__":
    main()
