// What the page does beyond HTML: it keeps itself fresh, and names HL7 fields. Without this file all else works.
"use strict";

// -- fresh figures: the page is fetched again, and what differs is put in its place -------------------------------

function announce(words) {
  if (words.length) document.getElementById("said").textContent = words.join(". ");
}

function changesOfState(before, after) {
  const rows = (page) => [...page.querySelectorAll("#channels tr[id]")];
  const state = (row) => row.querySelector(".st").textContent;
  const known = new Map(rows(before).map((row) => [row.id, state(row)]));
  return rows(after)
    .filter((row) => known.has(row.id) && known.get(row.id) !== state(row))
    .map((row) => `${row.querySelector("th a").textContent}: ${state(row)}`);
}

function isInUse(part) {
  // Nothing may move under a hand: an open part or card, a pointer over the buttons, a selection.
  const held = part.querySelector("details[open], .act:hover") ?? document.querySelector("dialog[open]");
  return held !== null || !getSelection().isCollapsed;
}

// What gives the focus back once a part was replaced: to the same id, or to the same cell of the same row.
function focusOf(part) {
  const at = document.activeElement;
  if (!part.contains(at)) return () => {};
  const { id } = at, row = at.closest("tr[id]")?.id, cell = at.closest("td, th")?.cellIndex;
  return () => {
    const again = id ? document.getElementById(id) : document.getElementById(row)?.cells[cell]?.querySelector("a, button");
    again?.focus({ preventScroll: true });
  };
}

function putInPlace(fresh) {
  const said = changesOfState(document, fresh);
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === part.innerHTML || isInUse(part)) continue;
    const focusAgain = focusOf(part);
    part.replaceChildren(...document.importNode(next, true).childNodes);
    focusAgain();
  }
  document.getElementById("updated").replaceChildren(...document.importNode(fresh.getElementById("updated"), true).childNodes);
  announce(said);
}

async function fetchAgain() {
  const answer = await fetch(location.href, { cache: "no-store", redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function sayLate() {
  const updated = document.getElementById("updated");
  if (updated.classList.contains("late")) return;
  updated.classList.add("late");
  updated.append(`. ${document.body.dataset.late}.`);
  announce([document.body.dataset.late]);
}

function keepFresh(seconds) {
  const button = document.getElementById("updates");
  let paused = sessionStorage.getItem("updates") === "paused";
  const label = () => { button.textContent = paused ? document.body.dataset.resume : document.body.dataset.pause; };
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("updates", paused ? "paused" : "on");
    label();
  });
  label();
  button.hidden = false;
  const turn = async () => {
    if (!paused && !document.hidden) {
      try {
        putInPlace(await fetchAgain());
        document.getElementById("updated").classList.remove("late");
      } catch {
        sayLate();
      }
    }
    setTimeout(turn, seconds * 1000);
  };
  setTimeout(turn, seconds * 1000);
}

if (document.body.dataset.refresh) keepFresh(Number(document.body.dataset.refresh));

// -- the card of the channels page: one for all rows; without this file the link leads to the channel's own page ----

const halt = document.getElementById("halt");

function askWhetherToHalt(link) {
  halt.querySelector("form").action = `${new URL(link.href).pathname}/state`;
  halt.querySelector("h2").textContent = link.getAttribute("aria-label");
  const stopOnly = "stopOnly" in link.dataset;
  for (const part of halt.querySelectorAll(".pausing")) part.hidden = stopOnly;
  for (const part of halt.querySelectorAll(".stopping")) part.hidden = !stopOnly;
  halt.showModal();
  halt.querySelector("[name=reason]").focus();
}

if (halt) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.halt");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    askWhetherToHalt(link);
  });
  halt.querySelector(".leave").addEventListener("click", () => halt.close());
}

// -- keys: / finds, j and k move through rows, ? lists the keys, F1 is the help of this page ------------------------

function goToRow(step) {
  const links = [...document.querySelectorAll("main tbody th a, main .rows > li > a")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
}

const keys = document.getElementById("keys");
const singleKeys = () => localStorage.getItem("keys") !== "off";
const KEYS = {
  "/": () => document.getElementById("q")?.focus(),
  j: () => goToRow(1),
  k: () => goToRow(-1),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "F1" && document.body.dataset.help) {
    event.preventDefault();
    location.href = document.body.dataset.help;
    return;
  }
  const typing = event.target.closest("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !singleKeys() || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

const off = document.getElementById("keys-off");
off.checked = !singleKeys();
off.addEventListener("change", () => localStorage.setItem("keys", off.checked ? "off" : "on"));
document.getElementById("keys-open").hidden = false;
document.getElementById("keys-open").addEventListener("click", () => keys.showModal());
document.getElementById("keys-close").addEventListener("click", () => keys.close());

// -- names of HL7 fields: one tab stop a message, arrow keys inside ----------------------------------------------

function nameFields(pane) {
  const readout = document.querySelector(`[data-for="${pane.id}"]`);
  const rows = [...pane.querySelectorAll(".seg")].map((row) => [...row.querySelectorAll(".f")]).filter((row) => row.length);
  if (!rows.length) return;
  const show = (field) => {
    const name = document.createElement("b");
    name.textContent = field.dataset.name;
    // Where it comes from stands in the table below; here it is shown for one field.
    const origin = document.getElementById(field.dataset.origin ?? "")?.cloneNode(true);
    readout.replaceChildren(name, ...(origin ? origin.childNodes : []));
  };
  for (const field of rows.flat()) {
    field.dataset.name = field.title;
    field.removeAttribute("title");
    field.tabIndex = -1;
    field.addEventListener("pointerenter", () => show(field));
    field.addEventListener("focus", () => show(field));
    field.addEventListener("click", () => go(field));
  }
  let current = rows[0][0];
  current.tabIndex = 0;
  function go(field) {
    current.tabIndex = -1;
    current = field;
    current.tabIndex = 0;
    current.focus();
  }
  pane.addEventListener("keydown", (event) => {
    const row = rows.findIndex((fields) => fields.includes(current));
    const column = rows[row].indexOf(current);
    const flat = rows.flat();
    const at = flat.indexOf(current);
    const target = {
      ArrowRight: flat[at + 1], ArrowLeft: flat[at - 1],
      ArrowDown: rows[row + 1]?.[Math.min(column, rows[row + 1].length - 1)],
      ArrowUp: rows[row - 1]?.[Math.min(column, rows[row - 1].length - 1)],
      Home: rows[row][0], End: rows[row].at(-1),
    }[event.key];
    if (!target) return;
    event.preventDefault();
    go(target);
  });
}

document.querySelectorAll(".hl7").forEach(nameFields);
