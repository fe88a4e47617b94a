"""The pages in a real browser: by keyboard alone, live, without JavaScript, and signed in."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from channels.control import Control
from console import passwords
from console.app import create_app
from messages.lifecycle import Event, Status
from store import accounts, audit, reads

from .browsers import assert_accessible, opened, show
from .conftest import MRN, SURNAME, acknowledgement, describe, explain
from .works import RULES, Works


@pytest.fixture
def app(site):
    app = create_app(
        site.folder, Control(site.store, site.ring), name="Clinic 01", open_to_all=True,
        zone="America/Sao_Paulo", describe=describe, explain=explain, works=Works(), alert_rules=RULES,
    )  # fmt: skip
    yield app
    app.extensions["desk"].reader.close()


@pytest.fixture
def page(request, chromium, address):
    with opened(chromium, address, getattr(request, "param", "en")) as page:
        yield page


def test_a_channel_is_stopped_by_keyboard_alone(page, site):
    page.goto("/")
    tab_to(page, "Stop or pause: Blume appointment → PowerServer", by="ariaLabel")
    press(page, "Enter")
    expect(page.get_by_role("dialog")).to_have_accessible_name("Stop or pause: Blume appointment → PowerServer")
    page.keyboard.type("the scanner is down")
    press(page, "Tab", "Tab", "Enter")

    expect(page.get_by_text("Blume appointment → PowerServer is now stopped.")).to_be_visible()
    expect(page.locator("#channel-1")).to_contain_text("“the scanner is down”")
    assert site.channel("blume-appointment").state == "stopped"


def test_escape_closes_the_card_and_gives_the_focus_back(page):
    page.goto("/")
    page.locator("#channel-1 .halt").press("Enter")
    page.locator("#halt-reason").press("Escape")

    expect(page.locator("#channel-1 .halt")).to_be_focused()
    expect(page.locator("#halt-reason")).to_be_hidden()


def test_of_a_paused_channel_the_card_offers_to_stop_it_only(page, site):
    page.goto("/")
    page.get_by_role("link", name="Stop: Healthcare resource sync").click()
    card = page.get_by_role("dialog")

    expect(card.get_by_role("button")).to_have_text(["Stop", "Leave it as it is"])
    card.get_by_role("button", name="Leave it as it is").click()
    expect(card).to_be_hidden()
    assert site.channel("resource-sync").state == "paused"


def test_a_change_of_state_appears_by_itself_is_announced_and_the_focus_stays(page, site):
    page.goto("/")
    page.locator("#channel-1 th a").focus()
    site.line("blume-appointment", "powerserver", "unreachable", "ConnectionRefusedError; next try in 2 s")

    expect(page.locator("#channel-1")).to_contain_text("Unreachable")
    expect(page.locator("#said")).to_have_text("Blume appointment → PowerServer: Unreachable")
    expect(page.locator("#channel-1 th a")).to_be_focused()


def test_updates_can_be_paused(page, site):
    page.goto("/")
    page.get_by_role("button", name="Pause updates").click()
    site.line("blume-appointment", "powerserver", "failed")
    page.wait_for_timeout(3_200)  # the page would have renewed itself after three seconds
    expect(page.locator("#channel-1")).not_to_contain_text("Failed")
    page.get_by_role("button", name="Resume updates").click()

    expect(page.locator("#channel-1")).to_contain_text("Failed")


def test_arrow_keys_name_the_fields_of_a_segment(page, site):
    page.goto(f"/messages/{site.ids['sent']}")
    page.locator("#show-bodies").click()
    field = page.locator("#pane-sent-1 .f[data-name^='PID-5']")
    field.click()
    readout = page.locator("[data-for=pane-sent-1]")

    expect(readout).to_have_text("PID-5 Patient Name")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text("PID-7 Date/Time of Birth")
    page.keyboard.press("Home")
    expect(readout).to_have_text("PID-1")
    page.keyboard.press("ArrowUp")
    expect(readout).to_have_text("NTE-1")
    assert page.locator("#pane-sent-1 [tabindex='0']").count() == 1


def test_a_field_that_was_sent_shows_its_rule_source_value_and_conversion(page, site):
    page.goto(f"/messages/{site.ids['sent']}")
    page.locator("#show-bodies").click()
    readout = page.locator("[data-for=pane-sent-1]")
    field = page.locator("#pane-sent-1 .f[data-name^='PID-3']")
    field.hover()

    for words in ("PID-3", "%mrn", '{"value": "12345"}', "as: CX, table: authorities", "blume-appointment.yaml:64:3"):
        expect(readout).to_contain_text(words)
    page.locator("#pane-sent-1 .f[data-name^='PID-1']").first.click()
    expect(readout).to_have_text("PID-1")
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("blume-appointment.yaml:64:3")
    assert_accessible(page)
    titles = page.locator("[title]").evaluate_all("all => all.map(one => one.title)")
    assert not [title for title in titles if "12345" in title]
    page.locator(".fields:has(#pane-sent-1-PID-3) > summary").click()
    assert page.locator("#pane-sent-1-PID-3").is_visible()
    assert_accessible(page)


def test_what_is_searched_for_stands_in_the_page_and_not_in_the_address(page):
    page.goto("/")
    page.get_by_label("Find a message").fill(MRN)
    page.keyboard.press("Enter")

    expect(page.get_by_text("1 message found for")).to_be_visible()
    assert MRN not in page.url
    assert MRN not in page.title()
    page.locator("tbody th a").click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert SURNAME not in page.url + page.title()


def test_all_works_without_javascript(chromium, address, site):
    context = chromium.new_context(base_url=address, java_script_enabled=False)
    page = context.new_page()
    page.goto("/")
    page.locator("#channel-1 .halt").click()
    page.wait_for_url("**/channels/blume-appointment#acts")
    page.locator("#reason").fill("no script")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#stand")).to_contain_text("“no script”")
    page.goto("/")
    page.get_by_role("button", name="Start: Blume").click()
    expect(page.locator("#channel-1")).to_contain_text("Running")
    page.goto(f"/messages/{site.ids['unmappable']}")
    page.get_by_role("button", name="Reprocess").click()
    expect(page.get_by_text("powerserver: Received.")).to_be_visible()
    context.close()


def found(page) -> str:
    return page.evaluate("document.activeElement.textContent")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_the_whole_life_of_a_failed_message_by_keyboard_alone(page, site):
    """Found, understood, tried without sending, retried, delivered: no pointer is used."""
    page.goto("/")
    page.get_by_role("link", name="Errors", exact=True).focus()
    press(page, "Enter")
    page.wait_for_url("**/errors")
    press(page, "j")
    while "PID-3.1 is required" not in found(page):
        press(page, "j")
    press(page, "Enter")
    expect(page.locator("h1")).to_have_text("PID-3.1 is required: %mrn gave nothing")
    tab_to(page, "Try without sending")
    press(page, "Enter")
    expect(page.locator("#tried")).to_contain_text("1 would now pass.")
    assert_accessible(page)
    tab_to(page, "reason", by="id")
    page.keyboard.type("the MRN rule is mended")
    tab_to(page, "Retry 1 delivery")
    press(page, "Enter")
    expect(page.get_by_role("status").first).to_contain_text("1 delivery is tried again.")
    assert reads.line(site.store.connection, site.ids["unmappable"]).deliveries[0].status == "RECEIVED"

    delivery = reads.line(site.store.connection, site.ids["unmappable"]).deliveries[0].id
    accepted = {"reason": "AA", "response": acknowledgement("AA", delivery)}
    site.move(
        delivery, site.mapped(delivery), (Status.TRANSFORMED, Event.CLAIMED, {}),
        (Status.PENDING, Event.ACCEPTED, accepted),
    )  # fmt: skip
    press(page, "/")
    page.keyboard.type("appt-7790")
    press(page, "Enter")
    expect(page.get_by_text("1 message found for")).to_be_visible()
    press(page, "j", "Enter")
    expect(page.locator(".facts")).to_contain_text("Sent")
    expect(page.locator(".timeline")).to_contain_text("To be mapped anew, by somebody at the status page")
    expect(page.locator(".timeline")).to_contain_text("the MRN rule is mended")
    assert "appt-7790" not in page.url


def tab_to(page, words: str, by: str = "textContent") -> None:
    for _ in range(80):
        press(page, "Tab")
        if (page.evaluate(f"document.activeElement.{by}") or "").strip() == words:
            return
    pytest.fail(f"Tab does not come to {words}")


def test_keys_are_listed_can_be_turned_off_and_open_the_help(page):
    page.goto("/errors")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Turn single keys off").check()
    press(page, "Escape", "/")
    assert page.evaluate("document.activeElement.id") != "q"
    press(page, "F1")
    page.wait_for_url("**/help#errors")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_colours_and_language_are_chosen_at_the_foot(page):
    page.goto("/refused")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("body")).to_have_css("background-color", "rgb(18, 20, 23)")
    page.get_by_role("button", name="Português (Brasil)").click()
    expect(page.locator("h1")).to_have_text("Recusadas nas entradas")
    assert page.url.partition("?")[0].endswith("/refused")


@pytest.mark.parametrize("page", ["en", "pt-BR"], indirect=True)
def test_people_sign_in_and_change_their_first_password(page, site):
    first = "a first password 1"
    kept = passwords.hashed(first)
    site.store.writer.now(lambda tx: accounts.add(tx, "ana", kept, "operator", by="test", bodies=True))
    page.goto("/errors")
    assert_accessible(page)
    show(page, f"sign-in-{page.evaluate('document.documentElement.lang')}")
    page.locator("#name").fill("ana")
    page.locator("#password").fill(first)
    page.locator("#password").press("Enter")
    page.wait_for_url("**/account")
    assert_accessible(page)
    for name, value in (("old", first), ("new", "a password of her own"), ("again", "a password of her own")):
        page.locator(f"#{name}").fill(value)
    page.locator("#again").press("Enter")
    expect(page.locator(".note")).to_be_visible()
    page.goto("/errors")
    assert page.locator("tbody tr").count() == 2
    assert [entry.what for entry in audit.entries(site.store.connection, who="ana")] == ["account-changed", "signed-in"]
