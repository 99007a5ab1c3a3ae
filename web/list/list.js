/** The rows of the drawer: conversations by when they were last used, or the places where something was found. */

import { arrange, el, icon, iconButton, set, wordButton } from "../base/dom.js";
import { addressOf } from "../base/route.js";
import { month, languageOf, t } from "../base/i18n.js";
import { patchList } from "../base/state.js";
import { request } from "../chat/chat.js";

const DAY = 86_400_000; // ms
const rows = new Map(); // conversation → { element, update }
const groups = new Map(); // words → element

/** Brings `list` up to date. */
export function renderList(list, state) {
  arrange(list, state.search.query ? hits(state) : conversations(state));
}

function conversations(state) {
  const all = [];
  const named = new Set(); // a clock that jumped names no group twice
  const known = new Set(state.list.items.map(({ conversation }) => conversation));
  for (const key of rows.keys()) if (!known.has(key)) rows.delete(key);
  for (const item of state.list.items) {
    if (state.list.deleting[item.conversation] === "sent") continue;
    const words = when(item.updated * 1000);
    if (!named.has(words)) all.push(heading(words));
    named.add(words);
    all.push(row(item, state));
  }
  return all;
}

function heading(words) {
  if (!groups.has(words)) groups.set(words, el("li", { className: "when" }, words));
  return groups.get(words);
}

/** "Today", "Yesterday", "This week", else the month. */
function when(time) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (time >= midnight) return t("list.today");
  if (time >= midnight - DAY) return t("list.yesterday");
  return time >= midnight - 6 * DAY ? t("list.week") : month(new Date(time));
}

function row(item, state) {
  const known = rows.get(item.conversation) ?? make(item);
  rows.set(item.conversation, known);
  known.update(item, state);
  return known.element;
}

function make({ conversation }) {
  const link = el("a", { href: addressOf(conversation), dir: "auto", data: { conversation } });
  const more = iconButton("tools", "more", "");
  const line = el("div", { className: "row" }, link, more);
  const tools = toolBox(conversation);
  const gone = el(
    "div",
    { className: "row gone" },
    el("span", {}, t("list.deleted")),
    wordButton("undo", "undo", t("action.undo")),
  );
  const naming = nameInput();
  const element = el("li", { data: { conversation } }, line, naming.element, tools, gone);
  const update = (item, { list, conversation: current }) => {
    const [deleting, renaming] = [Boolean(list.deleting[conversation]), list.renaming === conversation];
    const open = list.tools === conversation && !deleting && !renaming;
    set(line, "hidden", deleting || renaming);
    set(gone, "hidden", !deleting);
    set(tools, "hidden", !open);
    naming.update(renaming, item.title);
    set(link, "textContent", item.title);
    set(link, "lang", languageOf(item.title));
    set(link, "ariaCurrent", conversation === current ? "page" : null);
    set(more, "ariaExpanded", String(open));
    set(more, "ariaLabel", t("label.tools", { title: item.title }));
    set(more, "title", t("action.tools"));
  };
  return { element, update };
}

function toolBox(conversation) {
  const file = (format) => {
    const href = `/api/conversations/${encodeURIComponent(conversation)}/export?format=${format}`;
    return el("a", { href, download: "", className: "tool" }, icon("save"), t(`action.export_${format}`));
  };
  const buttons = [
    ["rename", "edit"],
    ["share-all", "share"],
  ].map(([name, drawing]) => wordButton(name, drawing, t(`action.${name}`)));
  return el(
    "div",
    { className: "tools" },
    ...buttons,
    file("md"),
    file("json"),
    wordButton("delete", "delete", t("action.delete")),
  );
}

const found = new WeakMap(); // hit → element

function hits({ search, list }) {
  const alive = (search.hits ?? []).filter(({ conversation }) => !list.deleting[conversation]);
  return alive.map((hit) => {
    if (!found.has(hit)) found.set(hit, hitRow(hit));
    return found.get(hit);
  });
}

function hitRow({ conversation, title, message, before, match, after }) {
  const text = el("span", { className: "around" }, before, el("mark", {}, match), after);
  const href = addressOf(conversation);
  const link = el(
    "a",
    { href, dir: "auto", lang: languageOf(before + match + after), data: { conversation, message } },
    el("strong", {}, title),
    text,
  );
  return el("li", { className: "hit" }, link);
}

/** The line in which a conversation gets another name: Enter or leaving it keeps the name, Escape does not. */
function nameInput() {
  const input = el("input", { type: "text", ariaLabel: t("label.title"), maxLength: 200, autocomplete: "off" });
  const element = el("form", { className: "row name", hidden: true }, input);
  let before = "";
  element.addEventListener("submit", (event) => (event.preventDefault(), keep(element, input, before)));
  input.addEventListener("blur", () => element.hidden || keep(element, input, before));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close(element);
  });
  const update = (shown, title) => {
    if (element.hidden !== shown) return;
    set(element, "hidden", !shown);
    if (!shown) return;
    before = input.value = title;
    requestAnimationFrame(() => (input.focus(), input.select()));
  };
  return { element, update };
}

function keep(element, input, before) {
  const title = input.value.trim();
  const { conversation } = element.closest("li").dataset;
  close(element);
  if (title && title !== before) request({ type: "rename", conversation, title });
}

function close(element) {
  const row = element.closest("li");
  patchList({ renaming: null });
  requestAnimationFrame(() => row.querySelector("[data-action=tools]")?.focus());
}
