/** The one render path: from the state to the header, the conversation and what lies over it. */

import { el, find, set } from "./base/dom.js";
import { list, t } from "./base/i18n.js";
import { changed, titleOf } from "./base/state.js";
import { say } from "./chat/chat.js";
import { tell } from "./chat/live.js";
import { elementOf, flash, renderMessages } from "./chat/messages.js";
import * as scroll from "./chat/scroll.js";
import { hardship, headline } from "./chat/words.js";
import { renderDrawer } from "./list/drawer.js";
import { current } from "./roles/choice.js";
import { renderSheet } from "./settings/sheet.js";

const [name, line, guard, empty, opening, messages, note, roles] = [
  "#name",
  "#state",
  "#guard",
  "#empty",
  "#opening",
  "#messages",
  "#note",
  "#roles",
].map(find);
let newest = "";

/** Puts in what never changes: the example questions. */
export function start() {
  find("#examples").append(...list("examples").map((text) => el("li", {}, example(text))));
}

/** Shows the state. */
export function render(state) {
  renderHeader(state);
  renderRole();
  renderDrawer(state);
  renderMessages(messages, state);
  set(empty, "hidden", !state.loaded || Boolean(state.conversation || state.messages.length));
  set(opening, "hidden", state.loaded || state.messages.length > 0);
  set(opening, "textContent", t(state.link === "open" ? "empty.opening" : "empty.offline"));
  set(note, "hidden", !state.note);
  set(note, "textContent", state.note);
  follow(state);
  renderSheet(state);
  tell(state);
}

function renderHeader(state) {
  const { words, tone } = headline(state);
  set(line, "textContent", words);
  set(line, "className", tone);
  const sentence = hardship(state);
  set(guard, "hidden", !sentence);
  set(guard, "textContent", sentence);
  const title = titleOf(state.conversation) || t("title.new");
  set(name, "textContent", title);
  set(document, "title", `${title} · Bramble`);
}

/** Who answers here: said by the button, and by the words that ask for a message. */
function renderRole() {
  const role = current();
  const label = role ? t("action.role", { name: role.name }) : t("action.roles");
  for (const key of ["title", "ariaLabel"]) set(roles, key, label);
  roles.classList.toggle("chosen", Boolean(role));
  set(find("#message"), "placeholder", role ? t("placeholder_role", { name: role.name }) : t("placeholder"));
}

/** What is new is looked at, wherever the reader was before; a place that was searched for before that. */
function follow({ goal, visit, messages: all }) {
  const element = goal && elementOf(goal);
  const end = `${visit} ${all.at(-1)?.key ?? ""}`;
  if (element) {
    scroll.release();
    flash(element);
    changed({ goal: null });
  } else if (end !== newest && !goal) scroll.toEnd();
  else scroll.keep();
  newest = end;
}

function example(text) {
  const button = el("button", { type: "button" }, text);
  button.addEventListener("click", () => say(text));
  return button;
}
