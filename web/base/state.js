/** The one state object of the page, and the one way to hear that it changed. Knows neither network nor document.
 *
 * A message: { key, id, role: "user"|"assistant", text, versions, status: "whole"|"stopped"|"cut"|"interrupted"|"writing" };
 *            id is the server's, null until it is told; versions are the ids of all that stand in its place, and
 * user:      { ref, pending } - pending until the server has stored it
 * assistant: { ref, answer, n, wait, stopping, error, stats, trimmed, cached, details } - n is the last piece held; error is the
 *            frame; stale text is replaced by the next piece; details says that the figures are shown;
 *            wait says why no text comes: { kind: "sending"|"queued"|"prefill"|"restarted", position, eta, done, total }
 * Messages are replaced, never written to, so that whoever draws them sees by identity what changed.
 */

export const state = {
  link: "connecting", // connecting | open | lost | outdated
  version: "",
  engine: null, // the last `state` frame
  conversation: null,
  visit: 0, // grows whenever another conversation is shown
  loaded: false, // whether `messages` holds all of the conversation
  messages: [],
  editing: null, // { message, text } that what is typed will stand beside
  goal: null, // id of the message to be looked at, once it is there
  note: "", // a line above the input
  drawer: false,
  list: { known: false, items: [], more: null, tools: null, renaming: null, deleting: {} }, // deleting: id → when
  search: { query: "", hits: null },
  session: null, // { mode, claimed, signed_in }, once it is known
  roles: [],
  role: null, // id of who answers here
  draftRole: null, // { id, name, prompt, settings, ref } in the editor
  sheet: null, // which sheet lies over the page
  trouble: "", // a line on that sheet
  admin: { part: "state", status: null, history: [], lines: [] }, // what the appliance told its admin (admin/load.js)
};

const listeners = new Set();
let scheduled = false;

/** Calls `listener` with the state once now and once a frame in which it changed. */
export function subscribe(listener) {
  listeners.add(listener);
  listener(state);
}

/** Says that the state changed, with `changes` to it. */
export function changed(changes = {}) {
  Object.assign(state, changes);
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

/** Changes the list of conversations. */
export function patchList(changes) {
  changed({ list: { ...state.list, ...changes } });
}

/** The answer being written, if any. */
export function writing() {
  return state.messages.find((message) => message.status === "writing");
}

/** What a conversation is called; before the server says so, by its first words. */
export function titleOf(conversation) {
  const listed = state.list.items.find((item) => item.conversation === conversation);
  return listed?.title ?? state.messages[0]?.text.trim().split("\n")[0].slice(0, 60) ?? "";
}
