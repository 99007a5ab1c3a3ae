/** The conversation's scrolling: it follows the end only while the reader is there; otherwise a button leads back. */

import { set } from "./dom.js";

const AT_END = 8; // pixels

const scroller = document.querySelector("main");
const messages = document.querySelector("#messages");
const button = document.querySelector("#to-end");
let follows = true;
let last = 0;

/** Starts watching the reader and the room there is. */
export function start() {
  scroller.addEventListener("scroll", read, { passive: true });
  button.addEventListener("click", toEnd);
  new ResizeObserver(keep).observe(scroller);
}

/** To the end, and stay there while it moves. */
export function toEnd() {
  follows = true;
  keep();
}

/** After each change of what is shown. */
export function keep() {
  if (follows && messages.firstChild) scroller.scrollTop = scroller.scrollHeight;
  set(button, "hidden", gap() <= AT_END);
}

/** Any step upwards is the reader's: content only grows at the end. */
function read() {
  const upwards = scroller.scrollTop < last;
  last = scroller.scrollTop;
  follows = gap() <= AT_END || (follows && !upwards);
  set(button, "hidden", follows);
}

function gap() {
  return scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
}
