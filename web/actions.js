/** The buttons inside the conversation, through one listener: copy an answer, copy code, try again, edit. */

import { note, questionOf, retry } from "./chat.js";
import { write } from "./composer.js";
import { copy } from "./copy.js";
import { icon } from "./dom.js";
import { t } from "./i18n.js";
import { announce } from "./live.js";
import { state } from "./state.js";

const SHOWN_FOR = 1600;

/** Listens to every button in `list` that names its action. */
export function listen(list) {
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button) actions[button.dataset.action](button);
  });
}

const actions = {
  "copy-answer": (button) => copyFrom(button, messageOf(button).text),
  "copy-code": (button) => copyFrom(button, button.closest(".code").querySelector("code").textContent),
  retry: (button) => retry(messageOf(button)),
  edit: (button) => write(questionOf(messageOf(button))),
};

async function copyFrom(button, text) {
  if (!(await copy(text))) return note("note.copy_failed");
  announce(t("action.copied"));
  const drawing = button.firstElementChild;
  drawing.replaceWith(icon("done"));
  setTimeout(() => button.firstElementChild.replaceWith(drawing), SHOWN_FOR);
}

function messageOf(button) {
  const { key } = button.closest("li[data-key]").dataset;
  return state.messages.find((message) => message.key === key);
}
