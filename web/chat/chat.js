/** What a person can do in a conversation: say, change, stop, answer anew, choose a version, leave. Each changes the
 * state and tells the server. */

import { enter } from "../base/route.js";
import { changed, patch, state, writing } from "../base/state.js";
import { randomId } from "../base/storage.js";
import { t } from "../base/i18n.js";
import { post } from "../link/outbox.js";
import { send } from "../link/socket.js";

const LONGEST_TEXT = 100_000; // characters, the protocol's limit
const LARGEST_FRAME = 256 * 1024; // bytes
const TYPING = 500; // ms between two looks at what is being typed

let looking;

/** Lets the server read ahead what `text()` says so far, so that the answer begins sooner. */
export function typing(text) {
  looking ??= setTimeout(() => {
    looking = undefined;
    if (!state.editing) ahead(text());
  }, TYPING);
}

function ahead(text) {
  const { conversation, role } = state;
  send({ type: "typing", conversation, role, text: text.slice(0, LONGEST_TEXT) });
}

/** Sends `text`, beside the message being changed if there is one. False, with a note, when it cannot be sent now. */
export function say(text) {
  if (writing()) return refuse(t("note.busy"));
  const { editing, conversation } = state;
  const frame = { type: editing ? "edit" : "say", ref: randomId(), conversation, text };
  if (editing) frame.message = editing.message;
  else if (conversation === null) frame.role = state.role;
  if (tooLong(frame)) return refuse(t("note.too_long"));
  looking = clearTimeout(looking);
  const at = editing ? state.messages.findIndex(({ id }) => id === editing.message) : state.messages.length;
  const before = state.messages.slice(0, at).filter(({ refused }) => !refused);
  changed({ messages: [...before, ...posed(frame)], editing: null, note: "" });
  post(frame);
  return true;
}

/** The two messages that stand for a frame on its way: what is said, and the place of its answer. */
export function posed({ ref, text }) {
  const message = { text: "", status: "writing", ref, id: null, answer: null, n: 0, wait: { kind: "sending" } };
  return [
    { key: ref, id: null, role: "user", text, status: "whole", ref, pending: true },
    { key: `${ref}-answer`, role: "assistant", ...message },
  ];
}

/** Puts a message of the person's into the input, to be sent as another version of itself. */
export function change(message) {
  changed({ editing: { message: message.id, text: message.text }, note: "" });
}

/** Stops the answer being written; without a link, or before it is acknowledged, as soon as that comes. */
export function stop() {
  if (!writing()) return;
  sendStop();
  patch(writing(), { stopping: true });
}

export function sendStop() {
  const { answer } = writing() ?? {};
  if (answer) send({ type: "stop", answer });
}

/** Answers anew: beside `answer` where that is stored, else by saying the message that failed once more. */
export function retry(answer) {
  if (writing()) return refuse(t("note.busy"));
  if (answer.id) return request({ type: "regenerate", conversation: state.conversation, message: answer.id });
  const text = questionOf(answer);
  changed({ editing: null, messages: state.messages.filter(({ ref }) => ref !== answer.ref) });
  say(text);
}

/** Lets the model write on where `answer` was stopped, cut or interrupted. */
export function goOn(answer) {
  if (writing()) return refuse(t("note.busy"));
  return request({ type: "continue", conversation: state.conversation, message: answer.id });
}

/** Shows another version of a message, and what came after it. */
export function choose(id) {
  if (writing()) return refuse(t("note.busy"));
  return request({ type: "select", conversation: state.conversation, message: id });
}

/** Shows a conversation; null is a new one. What is being written in the one before goes on. `goal` is looked at. */
export function show(conversation, goal = null) {
  const same = conversation === state.conversation && conversation !== null;
  if (!same) {
    enter(conversation, true);
    changed({ loaded: conversation === null, messages: [], role: null, editing: null, visit: state.visit + 1 });
  }
  changed({ note: "", goal });
  if (conversation === null) return;
  if (goal) send({ type: "select", conversation, message: goal });
  else if (!same) send({ type: "open", conversation });
}

/** To a new conversation. */
export function leave() {
  show(null);
}

/** The text that `answer` answers. */
export function questionOf(answer) {
  const before = state.messages.slice(0, state.messages.indexOf(answer));
  return before.findLast((message) => message.role === "user")?.text ?? "";
}

/** Sends a frame that makes no sense later; without a link that is said. */
export function request(frame) {
  return send(frame) || refuse(t("note.offline"));
}

/** Writes a line above the input, "" takes it away. */
export function note(words) {
  changed({ note: words });
}

/** On the sheet, where one lies over the page: a line above the input could not be seen. */
function refuse(words) {
  changed({ [state.sheet ? "trouble" : "note"]: words });
  return false;
}

function tooLong(frame) {
  return frame.text.length > LONGEST_TEXT || new TextEncoder().encode(JSON.stringify(frame)).length > LARGEST_FRAME;
}
