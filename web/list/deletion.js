/** Deleting with a way back: the server, which has none, is told only when the time for it is over, also after a reload. */

import { recallValue, rememberValue } from "../base/storage.js";
import { patchList, state } from "../base/state.js";
import { leave, show } from "../chat/chat.js";
import { send } from "../link/socket.js";

const KEY = "deleting"; // conversation → wall clock at which its time is over
const UNDO_FOR = 10_000; // ms

const timers = new Map();
let left = null; // the conversation that was shown when it was deleted

/** Takes a conversation away, for good after ten seconds. */
export function deleteSoon(conversation) {
  rememberValue(KEY, { ...recallValue(KEY, {}), [conversation]: Date.now() + UNDO_FOR });
  mark(conversation, "waits");
  timers.set(
    conversation,
    setTimeout(() => tell(conversation), UNDO_FOR),
  );
  if (conversation !== state.conversation) return;
  left = conversation;
  leave();
}

/** Brings it back. */
export function undoDeletion(conversation) {
  forget(conversation);
  if (left === conversation) show(conversation);
}

/** After a hello: what should be gone by now. A clock that jumped makes nothing wait longer. */
export function resumeDeletions() {
  for (const [conversation, time] of Object.entries(recallValue(KEY, {}))) {
    if (timers.has(conversation)) continue;
    const rest = Math.min(UNDO_FOR, Math.max(0, time - Date.now()));
    mark(conversation, "waits");
    timers.set(
      conversation,
      setTimeout(() => tell(conversation), rest),
    );
  }
}

/** It is gone. */
export function settleDeletion(conversation) {
  if (state.list.deleting[conversation]) forget(conversation);
}

/** Without a link it is told after the next hello. */
function tell(conversation) {
  timers.delete(conversation);
  if (!(conversation in recallValue(KEY, {}))) return forget(conversation); // another window brought it back
  if (send({ type: "delete", conversation })) mark(conversation, "sent");
}

function forget(conversation) {
  clearTimeout(timers.get(conversation));
  timers.delete(conversation);
  const { [conversation]: _, ...others } = recallValue(KEY, {});
  rememberValue(KEY, others);
  const { [conversation]: __, ...deleting } = state.list.deleting;
  patchList({ deleting });
}

function mark(conversation, how) {
  patchList({ deleting: { ...state.list.deleting, [conversation]: how } });
}
