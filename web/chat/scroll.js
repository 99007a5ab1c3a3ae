/** The conversation's scrolling: it follows the end only while the reader is there; otherwise a button leads back. */

import { find, set } from "../base/dom.js";

const AT_END = 8; // pixels
const INTENT = 500; // ms in which a step of the page is the reader's who just touched it

const [scroller, messages, button] = ["main", "#messages", "#to-end"].map(find);
let follows = true;
let last = 0;
let height = 0;
let touched = 0;

/** Starts watching the reader and the room there is. */
export function start() {
  scroller.addEventListener("scroll", read, { passive: true });
  for (const event of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    scroller.addEventListener(event, () => (touched = performance.now()), { passive: true });
  }
  button.addEventListener("click", toEnd);
  const watch = new ResizeObserver(keep);
  watch.observe(scroller);
  watch.observe(messages);
}

/** To the end, and stay there while it moves. */
export function toEnd() {
  follows = true;
  keep();
}

/** The reader looks at something else than the end. */
export function release() {
  follows = false;
}

/** After each change of what is shown. */
export function keep() {
  if (follows && messages.firstChild) scroller.scrollTop = scroller.scrollHeight;
  set(button, "hidden", gap() <= AT_END);
}

/** A step upwards is the reader's, unless something above changed its size: far messages are measured when they come near. */
function read() {
  const moved = scroller.scrollHeight !== height && performance.now() - touched > INTENT;
  const upwards = scroller.scrollTop < last && !moved;
  last = scroller.scrollTop;
  height = scroller.scrollHeight;
  follows = gap() <= AT_END || (follows && !upwards);
  set(button, "hidden", follows);
}

function gap() {
  return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
}
