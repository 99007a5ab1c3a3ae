/** Who answers: asked for, given to a conversation or to the one that begins, written anew, changed, deleted. */

import { language, languageOf } from "../base/i18n.js";
import { changed, state } from "../base/state.js";
import { randomId } from "../base/storage.js";
import { request } from "../chat/chat.js";

/** The role that answers in what is shown; undefined where that is nobody special. */
export function current() {
  return state.roles.find(({ id }) => id === state.role);
}

/** Those that a reader of this language chooses from, their own first. */
export function offered() {
  const readable = state.roles.filter(
    (role) => role.own || !role.language || role.language === language || role.id === state.role,
  );
  return readable.sort((one, other) => other.own - one.own);
}

/** Lets a role answer from the next message on; null: nobody special. */
export function give(id) {
  const { conversation } = state;
  if (conversation !== null && !request({ type: "role", conversation, role: id })) return false;
  changed({ role: id });
  return true;
}

/** Opens the editor with a copy of `role`, or with nothing. */
export function write(role = { name: "", prompt: "", settings: {} }) {
  const { id, name, prompt, settings, own } = role;
  changed({ sheet: "role", draftRole: { id: own ? id : null, name, prompt, settings }, trouble: "" });
}

/** Sends what is in the editor; it closes when the server has it. */
export function save({ name, prompt, settings }) {
  const draftRole = { ...state.draftRole, name, prompt, settings, ref: randomId() };
  changed({ draftRole, trouble: "" });
  const { id, ref } = draftRole;
  return request({ type: "role_save", ref, id, name, prompt, language: languageOf(prompt).slice(0, 2), settings });
}

/** Deletes the role in the editor. */
export function remove() {
  return request({ type: "role_delete", role: state.draftRole.id });
}
