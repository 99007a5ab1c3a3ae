/** What a person can do: say, stop, try again, start anew. Each changes the state and tells the server. */

import { send } from "./socket.js";
import { changed, enter, patch, pending, state, writing } from "./state.js";
import { randomId } from "./storage.js";

const LONGEST_TEXT = 100_000; // characters, the protocol's limit
const LARGEST_FRAME = 256 * 1024; // bytes

const TYPING = 500; // ms between two looks at what is being typed

let looking;

/** Lets the server read ahead what `text()` says so far, so that the answer begins sooner. */
export function typing(text) {
  looking ??= setTimeout(() => {
    looking = undefined;
    send({ type: "typing", conversation: state.conversation, text: text().slice(0, LONGEST_TEXT) });
  }, TYPING);
}

/** Sends `text`. False, with a note for the person, when it cannot be sent now. */
export function say(text) {
  if (writing()) return refuse("note.busy");
  const ref = randomId();
  if (tooLong(frameOf({ ref, text }))) return refuse("note.too_long");
  state.note = "";
  looking = clearTimeout(looking);
  const answer = { key: `${ref}-answer`, role: "assistant", text: "", status: "writing", ref, answer: null, n: 0 };
  state.messages.push({ key: ref, role: "user", text, status: "whole", ref, pending: true });
  state.messages.push({ ...answer, wait: { kind: "sending" } });
  sendPending();
  changed();
  return true;
}

/** Sends the unacknowledged message, again where needed: the same ref is stored only once. */
export function sendPending() {
  const message = pending();
  if (message) send(frameOf(message));
}

/** Stops the answer being written; without a link, or before it is acknowledged, as soon as that comes. */
export function stop() {
  if (!writing()) return;
  sendStop();
  patch(writing(), { stopping: true });
}

export function sendStop() {
  const { answer } = writing();
  if (answer !== null) send({ type: "stop", answer });
}

/** Leaves this conversation for a new one. What is still being written is stopped: nobody would see it. */
export function startAnew() {
  stop();
  enter(null);
  state.loaded = true;
  state.messages = [];
  state.note = "";
  changed();
}

/** Says the message that `answer` failed to answer once more. */
export function retry(answer) {
  say(questionOf(answer));
}

/** The text that `answer` answers. */
export function questionOf(answer) {
  const before = state.messages.slice(0, state.messages.indexOf(answer));
  return before.findLast((message) => message.role === "user")?.text ?? "";
}

/** Writes a line above the input, "" takes it away. */
export function note(key) {
  state.note = key;
  changed();
}

function refuse(key) {
  note(key);
  return false;
}

function frameOf({ ref, text }) {
  return { type: "say", ref, conversation: state.conversation, text };
}

function tooLong(frame) {
  return frame.text.length > LONGEST_TEXT || new TextEncoder().encode(JSON.stringify(frame)).length > LARGEST_FRAME;
}
