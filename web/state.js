/** The one state object of the page, and the one way to hear that it changed. Knows neither network nor document.
 *
 * A message: { key, role: "user"|"assistant", text, status: "whole"|"stopped"|"cut"|"interrupted"|"writing" }, and
 * user:      { ref, pending } - pending until the server has stored it
 * assistant: { ref, answer, n, wait, stopping, error, speed, trimmed } - n is the last piece held; error is the frame;
 *            wait says why no text comes: { kind: "sending"|"queued"|"prefill"|"restarted", position, eta, done, total }
 * Messages are replaced, never written to, so that whoever draws them sees by identity what changed.
 */

import { recall, remember } from "./storage.js";

export const state = {
  link: "connecting", // connecting | open | lost | outdated
  engine: null, // the last `state` frame
  conversation: recall("conversation"),
  loaded: false, // whether `messages` holds all of the conversation
  messages: [],
  note: "", // key of a line above the input
};

const listeners = new Set();
let scheduled = false;

/** Calls `listener` with the state once now and once a frame in which it changed. */
export function subscribe(listener) {
  listeners.add(listener);
  listener(state);
}

/** Says that the state changed. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener(state);
  });
}

/** Replaces `message` by one with `changes`. A message that is no longer shown is left alone. */
export function patch(message, changes) {
  const at = state.messages.indexOf(message);
  if (at < 0) return;
  state.messages[at] = { ...message, ...changes };
  changed();
}

/** Which conversation this is, also after a reload; null is a new one. */
export function enter(conversation) {
  state.conversation = conversation;
  remember("conversation", conversation);
}

/** The answer being written, if any. */
export function writing() {
  return state.messages.find((message) => message.status === "writing");
}

/** The message that the server has not acknowledged yet, if any. */
export function pending() {
  return state.messages.find((message) => message.pending);
}
