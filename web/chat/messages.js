/** The conversation as elements. What can be seen is made at once; the rest of a long one in small steps, from its end. */

import { arrange, find } from "../base/dom.js";
import { state as current } from "../base/state.js";
import { answerView } from "./answer.js";
import { bubbleView } from "./bubble.js";

const EAGER = 16; // messages from the end that are made at once
const STEP = 6; // ms of work between two chances for the browser to draw

const shown = new Map(); // message key → { element, message, last, update }
const later = []; // keys of messages whose text is not there yet
let working = 0;

/** Brings `list` up to date with the state's messages. */
export function renderMessages(list, state) {
  const { messages } = state;
  const keys = new Set(messages.map(({ key }) => key));
  for (const key of shown.keys()) if (!keys.has(key)) shown.delete(key);
  const end = messages.length - 1;
  arrange(
    list,
    messages.map((message, at) => {
      const view = shown.get(message.key) ?? create(message, end - at >= EAGER);
      bring(view, message, state, at === end);
      return view.element;
    }),
  );
  if (later.length) working ||= setTimeout(work, STEP);
}

/** The element of the message with this id, whole; undefined where it is not shown. */
export function elementOf(id) {
  const view = [...shown.values()].find(({ message }) => message.id === id);
  if (view) bring(view, view.message, current, view.last, true);
  return view?.element;
}

/** An answer as it reads on the page, without its Markdown. */
export function textOf(key) {
  return shown.get(key)?.element.querySelector(".text")?.innerText ?? "";
}

function create(message, waits) {
  const view = { ...(message.role === "user" ? bubbleView(message) : answerView(message)), waits };
  shown.set(message.key, view);
  if (waits) later.push(message.key);
  return view;
}

/** Updates a view where what it shows changed. One that waits for its turn only remembers. */
function bring(view, message, state, last, now = false) {
  const same = view.message === message && view.last === last && message.status !== "writing";
  Object.assign(view, { message, last });
  if (now) view.waits = false;
  else if (same || view.waits) return;
  view.update(message, state, last);
}

function work() {
  const until = performance.now() + STEP;
  while (later.length && performance.now() < until) {
    const view = shown.get(later.pop());
    if (view?.waits) bring(view, view.message, current, view.last, true);
  }
  working = later.length ? setTimeout(work, STEP) : 0;
}

/** Lets the eye find a message that was looked for. */
export function flash(element) {
  element.classList.remove("found");
  element.scrollIntoView({ block: "center" });
  requestAnimationFrame(() => element.classList.add("found"));
  find("main").focus({ preventScroll: true });
}
