"""`plugin-host mapping new|spec|fixture`: what makes, describes and tests a mapping file."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from channels import registry
from channels.kind import Go, ask_anew
from host.command_access import opened_store
from host.command_line import (
    EXIT_FINDINGS,
    EXIT_REFUSED,
    Failure,
    Group,
    complete_channel,
    json_option,
    print_json,
    site_option,
)
from host.command_site import channel_file, read_site_or_leave
from messages.identity import control_id
from messages.problem import Problems
from store import history, reads, revisions
from store.connection import store_key
from store.store import Store
from transformers import er7, hl7_deidentify, hl7_mapping_draft, mapping_draft, mapping_spec, mapping_spec_html
from transformers.base import Filtered, Given, Transformed
from transformers.deidentify import StillThere, deidentified
from transformers.differences import moment
from transformers.hl7_tables import VERSIONS


@click.group(cls=Group)
def mapping_command() -> None:
    """Begin a mapping file, write its specification, make a test sample of a stored message."""


@mapping_command.command()
@click.option(
    "--from", "sample", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A FHIR document or an HL7 message as the channel will receive it.",
)  # fmt: skip
@click.option("--message", "becomes", help="The HL7 message that FHIR becomes, such as SIU^S12.")
@click.option("--resource", help="The FHIR resource that HL7 becomes, such as Appointment.")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The mapping file to write."
)
@click.option("--hl7", default="2.5.1", show_default=True, type=click.Choice(VERSIONS), help="HL7 version.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@site_option
def new(  # its options
    sample: Path, becomes: str | None, resource: str | None, out: Path, hl7: str, force: bool, site: Path
) -> None:
    """Begin a mapping file: every field that is required, with a guess where the sample has something of its type.

    Each guess and each gap is marked as to be decided. Then: plugin-host check shows what is missing.
    """
    _free(out, force=force)
    stations = list(read_site_or_leave(site).stations)
    source = next((name for name in stations if "intake" in name), next(iter(stations), "sender"))
    destination = next((name for name in stations if name != source), "receiver")
    body = sample.read_bytes()
    target, word = (resource, "--resource") if _is_hl7(body) else (becomes, "--message")
    if target is None:
        raise click.UsageError(f"Say what the sample becomes: {word}.")
    frame = mapping_draft.Frame(
        channel=re.sub(r"[^a-z0-9-]+", "-", out.stem.lower()).strip("-") or "channel", message=target, version=hl7,
        given=_inside(site, sample), source=source, destination=destination,
    )  # fmt: skip
    try:
        if _is_hl7(body):
            text = hl7_mapping_draft.draft(er7.parse(body).segments, frame)
        else:
            text = mapping_draft.draft(_document(body), frame)
    except (mapping_draft.NoSuchMessage, hl7_mapping_draft.NoSuchResource) as error:
        raise click.UsageError(str(error)) from None
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
    click.echo(f"{out}: {mapping_draft.undecided(text)} lines are to be decided. Next: plugin-host check {out}")


def _free(out: Path, *, force: bool) -> None:
    """Leave when a file would be written over."""
    if out.exists() and not force:
        raise Failure(EXIT_REFUSED, f"{out} is there already; --force writes over it")


@mapping_command.command()
@click.argument("channel", shell_complete=complete_channel)
@click.option("--csv", "as_csv", is_flag=True, help="Print the fields as CSV.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page to be signed.")
@site_option
@json_option
def spec(channel: str, as_csv: bool, page: Path | None, site: Path, as_json: bool) -> None:
    """Write the interface specification of CHANNEL from its mapping file.

    Each field with its name, data type, source, table, note, and an example from the file's own tests.
    """
    file = channel_file(site, channel)
    try:
        found = mapping_spec.specification(file.checked, file.path, site)
    except mapping_spec.NotDescribable as error:
        raise Failure(EXIT_REFUSED, str(error)) from None
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(mapping_spec_html.page(found, file.revision, datetime.now(UTC).date()), "utf-8")
        click.echo(f"{page}: written", err=True)
    if as_csv:
        click.echo(mapping_spec.as_csv(found), nl=False)
    elif as_json:
        print_json(**dataclasses.asdict(found))
    elif page is None:
        for line in found.lines:
            click.echo("  ".join(part for part in (line.field, line.name, line.source, line.conversion) if part))


@mapping_command.command()
@click.argument("message")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File for the sample.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@site_option
def fixture(message: str, out: Path, force: bool, site: Path) -> None:
    """Make a test sample of a stored MESSAGE, without the people in it, and print a test for the mapping file.

    Names, addresses, telephones, identifiers, texts and dates are replaced: the same person is the same fake one in
    all samples of a site, and all dates of a message move by the same number of weeks. Codes and what describes the
    house stay. Read the sample before it leaves the house.
    """
    _free(out, force=force)
    with opened_store(site) as store:
        detail = reads.detail(store.connection, message.upper())
        if detail is None:
            raise Failure(EXIT_FINDINGS, "there is no message of this id")
        past = history.past(store.connection, detail.line.number)
        plan = _plan(store, detail)
        secret = hashlib.blake2b(store_key(store.folder)[0].encode(), person=b"fixture").digest()
    try:
        made, moved = _without_people(detail.body, secret)
    except StillThere as error:
        raise Failure(EXIT_REFUSED, f"nothing was written: {error}") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(made)
    click.echo(f"{out}: written; read it before it leaves the house. A test for the mapping file:", err=True)
    first = past.mapped[0] if past and past.mapped else None
    when = datetime.fromtimestamp(first.at if first else detail.line.received_at, UTC)
    when = ((first and first.encoded and moment(first.encoded)) or when) + moved
    focus = past.message.focus if past else None
    note = first.note if first else None
    if note is not None and "values" not in note:
        click.echo("# the rules of its kind held it back or refused it: there is nothing of the mapping to test")
        return
    conditions = Given(
        now=when, control_id=control_id(), destination=next(iter(plan["destinations"])), focus=focus,
        known=bool(first and first.known), values=_values(plan, made, focus, when) if note is None else note["values"],
    )  # fmt: skip
    for line in _test(plan, made, conditions, given=_inside(site, out)):
        click.echo(line)


def _without_people(body: bytes, secret: bytes) -> tuple[bytes, timedelta]:
    """Return a stored message as a sample, and by how much its dates moved; of HL7 or FHIR."""
    if _is_hl7(body):
        return hl7_deidentify.deidentified(er7.parse(body).segments, secret)
    made, moved = deidentified(_document(body), secret)
    return orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n", moved


def _is_hl7(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf\r\n").startswith(b"MSH")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or "resourceType" not in document:
        raise Failure(EXIT_REFUSED, "this is neither a FHIR document nor an HL7 message")
    return document


def _plan(store: Store, detail: reads.MessageDetail) -> dict[str, Any]:
    """Return the plan that runs; of a channel that never ran there is no message."""
    newest = revisions.deployments(store.connection, detail.line.channel)[0]
    return dict(revisions.revision(store.connection, detail.line.channel, newest.revision).plan)


def _inside(site: Path, file: Path) -> str:
    """Return the file as a test names it: from the site's folder, if it lies there."""
    try:
        return file.resolve().relative_to(site.resolve()).as_posix()
    except ValueError:
        return f"samples/{file.name}"


def _values(plan: dict[str, Any], sample: bytes, focus: int | None, when: datetime) -> Mapping[str, str]:
    """Return what the rules of a plan's kind say of a sample that was not mapped yet; nothing where they refuse it."""
    if not plan.get("kind"):
        return {}
    transformer = registry.load("transformer", plan["transformer"])(plan)
    kind = registry.load("channel", plan["kind"])(plan["transformer"], plan["settings"])
    try:
        said = ask_anew(kind, transformer.facts(transformer.load(sample), focus), when.timestamp())
    except Problems:
        return {}
    return said.values if isinstance(said, Go) else {}


def _test(plan: dict[str, Any], sample: bytes, conditions: Given, given: str) -> list[str]:
    """Return the lines of a test that says what the mapping that runs makes of the sample."""
    transformer = registry.load("transformer", plan["transformer"])(plan)
    try:
        result: Transformed | Filtered = transformer.transform(transformer.load(sample), conditions)
        if isinstance(result, Filtered):
            expect = f"{{ filtered: {_quoted(result.reason.rpartition(' (')[0])} }}"
        else:
            expect = f"{{ action: {result.action} }}"
    except Problems as problems:
        expect = f"{{ error: {problems.problems[0].code} }}"
    several = [f"    destination: {conditions.destination}"] if len(plan["destinations"]) > 1 else []
    values = ", ".join(f"{name}: {value}" for name, value in conditions.values.items())
    return [
        "  - name: say in a sentence what this sample shows",
        f"    given: {given}",
        f"    now: {conditions.now.replace(microsecond=0).isoformat()}",
        *(["    known: true"] if conditions.known and not values else []),
        *([f"    values: {{ {values} }}"] if values else []),
        *several,
        f"    expect: {expect}",
    ]


def _quoted(text: str) -> str:
    return orjson.dumps(text).decode()
