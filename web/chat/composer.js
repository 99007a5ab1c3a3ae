/** The input: grows with its text, Enter sends, Shift+Enter breaks the line, and composing (IME) never sends. */

import { find, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { changed, state, subscribe, writing } from "../base/state.js";
import { draftOf, keepDraft } from "../base/storage.js";
import { change, say, stop, typing } from "./chat.js";

const form = find("form");
const [input, sendButton, stopButton, editing] = ["#message", "#send", "#stop", "#editing"].map(find);
let visit = -1;
let edited = null;

/** Binds the input and its buttons. What was typed before this arrived, on a slow network, stays. */
export function start() {
  if (input.value) keepDraft(state.conversation, draftOf(state.conversation) + input.value);
  form.addEventListener("submit", submit);
  input.addEventListener("input", typed);
  input.addEventListener("keydown", pressed);
  stopButton.addEventListener("click", stop);
  find("#unedit").addEventListener("click", cancel);
  for (const button of [sendButton, stopButton]) {
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the keyboard stays where it is
  }
  subscribe(render);
  focus();
}

/** To the input, except where that would open a keyboard over the page. */
export function focus() {
  if (matchMedia("(pointer: fine)").matches) input.focus();
}

/** Puts `text` into the input, to be changed and sent by the person. */
export function fill(text) {
  keepDraft(state.conversation, text);
  write(text);
  input.focus();
}

function typed() {
  changed({ note: "" });
  if (!state.editing) keepDraft(state.conversation, input.value);
  fit();
  typing(() => input.value);
}

function pressed(event) {
  if (sends(event)) submit(event);
  else if (event.key === "ArrowUp" && !input.value && !event.isComposing) changeLast(event);
  else if (event.key === "Escape" && state.editing) cancel();
  else if (event.key === "Escape" && writing()) stop();
}

function submit(event) {
  event.preventDefault();
  const text = input.value.trim();
  const draft = state.editing ? draftOf(state.conversation) : "";
  if (!text || !say(text)) return;
  edited = null;
  keepDraft(state.conversation, draft);
  write(draft);
}

/** Safari ends the composition before the Enter that confirmed it; only keyCode 229 still tells. */
function sends(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}

function changeLast(event) {
  const last = state.messages.findLast(({ role, id }) => role === "user" && id);
  if (!last || writing()) return;
  event.preventDefault();
  change(last);
}

function cancel() {
  changed({ editing: null, note: "" });
  input.focus();
}

function write(text) {
  input.value = text;
  fit();
}

function fit() {
  const border = input.offsetHeight - input.clientHeight;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + border}px`;
  renderButtons();
}

function render(state) {
  if (state.visit !== visit) {
    visit = state.visit;
    write(state.editing ? state.editing.text : draftOf(state.conversation));
  }
  if (state.editing !== edited) {
    edited = state.editing;
    write(edited ? edited.text : draftOf(state.conversation));
    if (edited) input.focus();
  }
  set(editing, "hidden", !state.editing);
  renderButtons();
}

function renderButtons() {
  const answer = writing();
  set(sendButton, "hidden", Boolean(answer));
  set(sendButton, "disabled", !input.value.trim());
  set(stopButton, "hidden", !answer);
  set(stopButton, "disabled", Boolean(answer?.stopping));
  const label = t(state.editing ? "label.edited" : "label.message");
  set(input, "ariaLabel", label);
}
