/** Messages that the server has not acknowledged. They outlive a reload and go out again after every hello: a `ref` is
 * stored once, however often it comes. */

import { recallValue, rememberValue } from "../base/storage.js";
import { send } from "./socket.js";

const KEY = "outbox";

let waiting = recallValue(KEY, []);

/** The frames that wait. */
export function unsent() {
  return waiting;
}

/** Whether the message with this ref is still on its way. */
export function isUnsent(ref) {
  return waiting.some((frame) => frame.ref === ref);
}

/** Sends a frame that has a `ref`, now and until it is acknowledged. */
export function post(frame) {
  waiting = [...waiting.filter(({ ref }) => ref !== frame.ref), frame];
  keep((kept) => [...kept.filter(({ ref }) => ref !== frame.ref), frame]);
  send(frame);
}

/** Takes a frame out, acknowledged or refused, and returns it; undefined where there was none. */
export function settle(ref) {
  const frame = waiting.find((each) => each.ref === ref);
  waiting = waiting.filter((each) => each.ref !== ref);
  if (frame) keep((kept) => kept.filter((each) => each.ref !== ref));
  return frame;
}

/** Sends all that waits once more. */
export function sendAll() {
  waiting.forEach(send);
}

/** Other windows keep theirs in the same place. */
function keep(change) {
  rememberValue(KEY, change(recallValue(KEY, [])));
}
