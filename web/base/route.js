/** Which conversation this window shows: in the address, so that back, reload and a second window find it again. */

import { recall, remember } from "./storage.js";
import { state } from "./state.js";

const LAST = "conversation"; // for a page that is opened without one in its address

/** Reads the address, and calls `show` whenever the person goes back, forward or along a link. */
export function start(show) {
  state.conversation = named() ?? recall(LAST);
  state.loaded = state.conversation === null;
  enter(state.conversation);
  addEventListener("popstate", () => show(named()));
}

/** The address that shows a conversation. */
export function addressOf(conversation) {
  return conversation === null ? location.pathname : `#/${conversation}`;
}

/** This is what is shown now; `step` says that back leads to what was shown before. */
export function enter(conversation, step = false) {
  state.conversation = conversation;
  remember(LAST, conversation);
  if (named() === conversation) return;
  history[step ? "pushState" : "replaceState"](null, "", addressOf(conversation));
}

function named() {
  return location.hash.startsWith("#/") ? decodeURIComponent(location.hash.slice(2)) : null;
}
