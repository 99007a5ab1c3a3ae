/** What a screen reader is told: changes of state and finished answers, in whole sentences, never tokens. */

import { t } from "./i18n.js";
import { textOf } from "./messages.js";
import { headline, problem } from "./words.js";

const QUIET = new Set(["answering", "busy", "next", "queued"]); // heard from the conversation itself

const live = document.querySelector("#live");
let told = "";
let written = "";

/** Says `words` when the reader pauses. */
export function announce(words) {
  live.textContent = words;
}

/** Says what is new in the state. */
export function tell(state) {
  tellState(headline(state));
  tellAnswer(state);
}

function tellState({ key, words }) {
  if (QUIET.has(key) || key === told) return;
  told = key;
  announce(words);
}

function tellAnswer({ messages }) {
  const current = messages.find(({ status }) => status === "writing");
  const finished = messages.find(({ key, status }) => key === written && status !== "writing");
  written = current?.key ?? "";
  if (!finished) return;
  const trouble = finished.error ? problem(finished.error).words : "";
  announce([t("label.answer"), textOf(finished.key), trouble].join(" "));
}
