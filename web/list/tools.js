/** What can be done with a conversation in the list: another name, sharing, deleting and having it back. */

import { t } from "../base/i18n.js";
import { share } from "../base/copy.js";
import { patchList, state } from "../base/state.js";
import { note } from "../chat/chat.js";
import { announce } from "../chat/live.js";
import { deleteSoon, undoDeletion } from "./deletion.js";

const idOf = (button) => button.closest("li").dataset.conversation;

/** By the name that a button gives. */
export const toolActions = {
  tools: (button) => patchList({ tools: state.list.tools === idOf(button) ? null : idOf(button) }),
  rename: (button) => patchList({ renaming: idOf(button), tools: null }),
  "share-all": (button) => shareAll(idOf(button)),
  delete: (button) => focusAfter(button, "undo", () => deleteSoon(idOf(button))),
  undo: (button) => focusAfter(button, "tools", () => undoDeletion(idOf(button))),
};

async function shareAll(conversation) {
  const outcome = await textOf(conversation).then(share, () => "failed");
  const words = { copied: t("note.shared"), failed: t("note.share_failed") }[outcome];
  if (!words) return;
  note(words);
  announce(words);
}

async function textOf(conversation) {
  const response = await fetch(`/api/conversations/${encodeURIComponent(conversation)}/export?format=md`);
  if (!response.ok) throw new Error(response.statusText);
  return response.text();
}

/** The button that was pressed vanishes; the one that takes its place gets the focus. */
function focusAfter(button, next, act) {
  const row = button.closest("li");
  act();
  requestAnimationFrame(() => requestAnimationFrame(() => row.querySelector(`[data-action=${next}]`)?.focus()));
}
