/** Keys that work everywhere: the search, a new chat, back to the input. */

import { find } from "../base/dom.js";
import { startSearch } from "../list/drawer.js";

/** Listens to the whole page; never while something is being composed. */
export function start() {
  addEventListener("keydown", (event) => {
    if (event.isComposing || find("#sheet").open) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && !event.shiftKey && event.key === "k") act(event, startSearch);
    if (control && event.shiftKey && event.code === "KeyO") act(event, () => find("#new").click());
    if (event.key === "/" && !control && !typing(event.target)) act(event, () => find("#message").focus());
  });
}

function act(event, action) {
  event.preventDefault();
  action();
}

function typing(element) {
  return element.matches?.("input, textarea");
}
