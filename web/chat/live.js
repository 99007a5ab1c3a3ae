/** What a screen reader is told: changes of state, and an answer while it is written, in whole sentences, never tokens. */

import { el, find } from "../base/dom.js";
import { languageOf, t } from "../base/i18n.js";
import { headline, problem } from "./words.js";

const QUIET = new Set(["answering", "busy", "next", "queued"]); // heard from the conversation itself
const SENTENCE = /[.!?…:]["'”’)*_]*(?=\s)|[。！？][”’」』）]*|\n/g;
const KEPT = 12; // sentences that stay in the log

const [live, spoken] = ["#live", "#spoken"].map(find);
let told = "";
let key = ""; // of the answer being read out
let read = 0; // how many of its characters were

/** Says `words` when the reader pauses. */
export function announce(words) {
  live.textContent = words;
}

/** Says what is new in the state. */
export function tell(state) {
  tellState(headline(state));
  tellAnswer(state.messages);
}

function tellState({ key, words }) {
  if (QUIET.has(key) || key === told) return;
  told = key;
  announce(words);
}

function tellAnswer(messages) {
  const written = messages.find(({ status }) => status === "writing");
  if (written && written.key !== key) {
    key = written.key;
    read = 0;
    spoken.replaceChildren();
  }
  const answer = written ?? messages.find((message) => message.key === key);
  if (!answer) return;
  readOut(answer.text, answer.status !== "writing");
  if (answer.status === "writing") return;
  key = "";
  if (answer.error) log(problem(answer.error).words);
}

/** The sentences that are whole since the last time; at the end, the rest. */
function readOut(text, over) {
  const ready = over ? text : text.slice(0, openFence(text));
  const end = over ? ready.length : lastEnd(ready);
  if (end <= read) return;
  const words = plain(ready.slice(read, end));
  if (words) log((read ? "" : `${t("label.answer")} `) + words, languageOf(words));
  read = end;
}

function lastEnd(text) {
  let end = 0;
  for (const found of text.slice(read).matchAll(SENTENCE)) end = read + found.index + found[0].length;
  return end;
}

/** Where code begins that has not ended yet. */
function openFence(text) {
  const fences = [...text.matchAll(/^```/gm)];
  return fences.length % 2 ? fences.at(-1).index : text.length;
}

/** Without Markdown's signs; code is only mentioned. */
function plain(text) {
  const spoken = text.replace(/^```[\s\S]*?(?:^```[^\n]*|$(?![\s\S]))/gm, t("live.code"));
  return spoken
    .replace(/^[|:\s-]+$|[*`#>|~]+|^\s*[-+]\s/gm, " ")
    .replace(/\s+/g, " ")
    .trim();
}

function log(words, lang = "") {
  spoken.append(el("p", { lang }, words));
  while (spoken.children.length > KEPT) spoken.firstElementChild.remove();
}
