"""A site's folder: read, and checked as a whole. What is fit is applied by `host.deploying`.

What did not change since it was found fit is not checked again, and then nothing that checks is imported: a start of
the host that changes nothing takes a fraction of the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from channels import registry
from channels.settings import mistakes
from host.checked_cache import Cache
from host.follows import followed, following_problems
from messages.problem import Place, Problem, Problems
from transformers.base import KindWords
from transformers.mapping_checked import Checked
from transformers.mapping_site import RESOURCES_FILE, Site, load_site


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A mapping file and what its check found."""

    path: Path
    source: str
    checked: Checked
    problems: tuple[Problem, ...]
    #: Name of the running thing; the file's name where the file does not say.
    channel: str
    title: str
    #: Hash of the plan: the same inputs give the same revision.
    revision: str

    @property
    def is_fit(self) -> bool:
        """True when it may run."""
        return self.checked.plan is not None and not any(p.severity == "error" for p in self.problems)


#: YAML files of a site's folder that are no mapping files.
NO_MAPPINGS = frozenset({"site.yaml", RESOURCES_FILE})


def mapping_files(folder: Path) -> list[Path]:
    """Return the mapping files of a site: every YAML file of the folder but site.yaml and resource-sync.yaml."""
    return sorted(path for path in folder.glob("*.yaml") if path.name not in NO_MAPPINGS)


def read_site(folder: Path) -> Site:
    """Read site.yaml with the variables of this process.

    Raises:
        Problems: all that is wrong with it.
    """
    site = load_site(folder, os.environ, kinds())
    mistake = _console_mistake(site.console)
    if mistake is not None:
        name, text, hint = mistake
        raise Problems([Problem(code="E154", text=text, hint=hint, place=site.place(("console", name)))])
    if mistaken := _dicom_mistakes(site):
        raise Problems(mistaken)
    return site


def _dicom_mistakes(site: Site) -> list[Problem]:
    """Return what is wrong with the settings of the door for DICOM."""
    if site.dicom is None:
        return []
    from connectors.dicom_listener import DicomListener  # noqa: PLC0415  # only sites with a door for DICOM need it

    return [
        Problem(code="E153", text=text, hint=hint, place=site.place(("dicom", name) if name else ("dicom",)))
        for name, text, hint in mistakes(DicomListener, site.dicom)
    ]


def kinds() -> dict[str, Mapping[str, KindWords]]:
    """Return the words of every kind of channel that is installed and can be used."""
    found = {}
    for name in registry.names("channel"):
        # A broken one is listed with its reason by `plugin-host plugins`; a mapping that names it is refused.
        with contextlib.suppress(registry.NoSuchPlugin):
            found[name] = registry.load("channel", name).words
    return found


def _console_mistake(console: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return the setting, what is wrong, and what to write, where others than this machine could reach the console."""
    host, address = str(console["host"]), console.get("address")
    if address is not None and not re.fullmatch(r"https://[^/?#@]+/?", address):
        return "address", "console.address is not https://NAME", "write the https:// address of the proxy, no path"
    if address is None and not _is_loopback(host):
        text = f"console.host is {host}: off this machine the status page is reached by https only"
        return "host", text, "write 127.0.0.1, or console.address: the https:// address of a proxy that speaks TLS"
    if "sign_in" in console and len({"authority", "oidc_authority"} & set(console["sign_in"])) != 1:
        text = "console.sign_in needs authority or oidc_authority, and only one"
        return "sign_in", text, "name the identity provider"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def data_folder(site: Site) -> Path:
    """Return the folder of the store: a relative one stands beside the site's folder."""
    return Path(os.path.normpath(site.folder.resolve().parent / site.data))


def check_files(site: Site, paths: Iterable[Path], *, anew: bool = False) -> list[CheckedFile]:
    """Check mapping files: both ends of every line, and the settings of their connectors.

    Args:
        site: as read.
        paths: of the files.
        anew: check also what did not change since it was found fit.
    """
    cache = Cache(data_folder(site) / "checked", site)
    files = [_check(site, path, cache, anew=anew) for path in paths]
    follows = {file.channel: followed(file.checked.plan) for file in files}
    known = {path.stem for path in mapping_files(site.folder)}
    return [_following(_unless_twice(file, files), follows, known) for file in files]


def _check(site: Site, path: Path, cache: Cache, *, anew: bool) -> CheckedFile:
    checked = None if anew else cache.get(path)
    if checked is None:
        from transformers.mapping_check import check_mapping  # noqa: PLC0415  # not for what did not change

        checked = check_mapping(path, site)
        cache.put(path, checked)
    plan: dict[str, Any] = checked.plan or {}
    found = [*checked.problems, *_plugins(checked, site, plan)]
    return CheckedFile(
        path=path,
        source=path.read_text("utf-8", "replace"),
        checked=checked,
        problems=tuple(found),
        channel=plan.get("channel", path.stem),
        title=plan.get("title", path.stem),
        revision=hashlib.sha256(orjson.dumps(plan, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12],
    )


def _unless_twice(file: CheckedFile, files: list[CheckedFile]) -> CheckedFile:
    twins = [other for other in files if other is not file and other.channel == file.channel]
    if not twins:
        return file
    text = f"channel '{file.channel}' is also defined in {twins[0].path.name}"
    place = file.checked.places(("channel",))
    problem = Problem(code="E150", text=text, hint="give each file a name of its own", place=place)
    return CheckedFile(
        path=file.path, source=file.source, checked=file.checked, problems=(*file.problems, problem),
        channel=file.channel, title=file.title, revision=file.revision,
    )  # fmt: skip


def _following(file: CheckedFile, follows: Mapping[str, str | None], known: set[str]) -> CheckedFile:
    if follows.get(file.channel) is None:
        return file  # asking for the place would parse the file again
    found = following_problems(file.channel, file.checked.places(("from", "of")), follows, known)
    return replace(file, problems=(*file.problems, *found)) if found else file


def _plugins(checked: Checked, site: Site, plan: dict[str, Any]) -> list[Problem]:
    """Check that the plug-ins are there and take the settings."""
    if not plan:
        return []
    problems = _connector(checked, site, plan["from"], ("from",), verb="serve")
    for name, part in plan["destinations"].items():
        problems += _connector(checked, site, part, ("destinations", name), verb="send")
    if "definitions" in plan:
        problems += _connector(checked, site, plan["definitions"], ("document", "read_from"), verb="read")
    try:
        registry.load("transformer", plan["transformer"])
    except registry.NoSuchPlugin as error:
        problems.append(Problem(code="E151", text=str(error), place=checked.places(("transformer",))))
    if plan.get("kind"):
        problems += [
            Problem(code="E155", text=text, hint=hint, place=site.place(("values", plan["kind"], *steps)))
            for steps, text, hint in registry.load("channel", plan["kind"]).check(plan["settings"])
        ]
    return problems


def _connector(checked: Checked, site: Site, part: dict[str, Any], at: tuple[str, ...], *, verb: str) -> list[Problem]:
    try:
        connector = registry.load("connector", part["connector"])
    except registry.NoSuchPlugin as error:
        return [Problem(code="E151", text=str(error), place=checked.places((*at, "connector")))]
    if not hasattr(connector, verb):
        role = "a source" if verb == "serve" else "a destination"
        return [
            Problem(
                code="E152",
                text=f"'{part['connector']}' is not {role} connector",
                place=checked.places((*at, "connector")),
            )
        ]
    return [
        Problem(code="E153", text=text, hint=hint, place=_setting_place(checked, site, part, at, name))
        for name, text, hint in mistakes(connector, part["settings"])
    ]


def _setting_place(checked: Checked, site: Site, part: dict[str, Any], at: tuple[str, ...], name: str | None) -> Place:
    """Return where a setting stands: in the mapping, else with its station; a missing one belongs to the station."""
    if part["station"] is None:
        return checked.places(at)
    station = ("stations", part["station"], name) if name else ("stations", part["station"])
    if name and checked.places((*at, name)) != checked.places(at):
        return checked.places((*at, name))
    return site.place(station)
