/** The buttons inside the conversation, through one listener. */

import { icon, listen as listenTo } from "../base/dom.js";
import { copy, share } from "../base/copy.js";
import { t } from "../base/i18n.js";
import { changed, patch, state } from "../base/state.js";
import { change, choose, goOn, note, questionOf, retry } from "./chat.js";
import { fill } from "./composer.js";
import { announce } from "./live.js";

const SHOWN_FOR = 1600;

/** Listens to every button in `list` that names its action. */
export function listen(list) {
  listenTo(list, actions);
}

const actions = {
  "copy-answer": (button) => copyFrom(button, messageOf(button).text),
  "copy-code": (button) => copyFrom(button, button.closest(".code").querySelector("code").textContent),
  share: (button) => shareFrom(button, messageOf(button)),
  "go-on": (button) => goOn(messageOf(button)),
  again: (button) => retry(messageOf(button)),
  retry: (button) => retry(messageOf(button)),
  edit: (button) => change(messageOf(button)),
  shorten: (button) => shorten(messageOf(button)),
  details: (button) => patch(messageOf(button), { details: !messageOf(button).details }),
  older: (button) => step(messageOf(button), -1),
  newer: (button) => step(messageOf(button), 1),
};

async function copyFrom(button, text) {
  if (!(await copy(text))) return note(t("note.copy_failed"));
  announce(t("action.copied"));
  tick(button);
}

async function shareFrom(button, answer) {
  const outcome = await share(`${questionOf(answer)}\n\n${answer.text}`);
  if (outcome === "failed") note(t("note.copy_failed"));
  if (outcome !== "copied") return;
  note(t("note.shared"));
  tick(button);
}

/** Shows for a moment that it was done. */
function tick(button) {
  const drawing = button.firstElementChild;
  drawing.replaceWith(icon("done"));
  setTimeout(() => button.firstElementChild.replaceWith(drawing), SHOWN_FOR);
}

/** The message that was too long goes back to the input: as another version of itself, or anew where it was not stored. */
function shorten(answer) {
  const question = state.messages[state.messages.indexOf(answer) - 1];
  if (question.id) return change(question);
  changed({ messages: state.messages.filter(({ ref }) => ref !== answer.ref) });
  fill(question.text);
}

function step({ id, versions }, by) {
  choose(versions[versions.indexOf(id) + by]);
}

function messageOf(button) {
  const { key } = button.closest("li[data-key]").dataset;
  return state.messages.find((message) => message.key === key);
}
