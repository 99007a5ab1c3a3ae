/** The one render path: from the state to the header, the conversation and the note above the input. */

import { say, startAnew } from "./chat.js";
import * as composer from "./composer.js";
import { el, set } from "./dom.js";
import { list, t } from "./i18n.js";
import { tell } from "./live.js";
import { renderMessages } from "./messages.js";
import * as scroll from "./scroll.js";
import { hardship, headline } from "./words.js";

const find = (selector) => document.querySelector(selector);
const [name, line, guard, empty, messages, note] = ["#name", "#state", "#guard", "#empty", "#messages", "#note"].map(find);
let newest = "";

/** Binds what never changes: the new-chat button and the example questions. */
export function start() {
  find("#new").addEventListener("click", () => (startAnew(), composer.focus()));
  const examples = list("examples").map((text) => el("li", {}, example(text)));
  find("#examples").append(...examples);
}

/** Shows the state. */
export function render(state) {
  renderHeader(state);
  renderMessages(messages, state);
  set(empty, "hidden", Boolean(state.conversation || state.messages.length));
  set(note, "hidden", !state.note);
  set(note, "textContent", state.note && t(state.note));
  follow(state.messages.at(-1)?.key ?? "");
  tell(state);
}

function renderHeader(state) {
  const { words, tone } = headline(state);
  set(line, "textContent", words);
  set(line, "className", tone);
  const sentence = hardship(state);
  set(guard, "hidden", !sentence);
  set(guard, "textContent", sentence);
  set(name, "textContent", state.engine?.model ?? "Bramble");
}

/** What is new is looked at, wherever the reader was before. */
function follow(key) {
  if (key !== newest) scroll.toEnd();
  else scroll.keep();
  newest = key;
}

function example(text) {
  const button = el("button", { type: "button" }, text);
  button.addEventListener("click", () => say(text));
  return button;
}
