/** What a screen reader is told: changes of state, and an answer while it is written, in whole sentences, never tokens. */

import { el, find } from "../base/dom.js";
import { languageOf, t } from "../base/i18n.js";
import { headline, problem } from "./words.js";

const QUIET = new Set(["answering", "busy", "next", "queued"]); // heard from the conversation itself
const SENTENCE = /[.!?…:]["'”’)*_]*(?=\s)|[。！？][”’」』）]*|\n/g;
const CODE = "\uE000"; // stands for a character of code: private to us
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
    read = written.text.length; // of an answer that goes on, what there was is known
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
  const { end, words } = sentencesFrom(text, read, over);
  if (end <= read) return;
  if (words) log((read ? "" : `${t("label.answer")} `) + words, languageOf(words));
  read = end;
}

/** What can be read out of `text` from character `start` on, and how far that goes: { end, words }. */
export function sentencesFrom(text, start, over) {
  const readable = withoutCode(text, over);
  const end = over ? readable.length : lastEnd(readable, start);
  return { end, words: end > start ? plain(readable.slice(start, end)) : "" };
}

/** Code becomes as many marks, so that nothing in it ends a sentence; a block that has not ended is cut off. */
function withoutCode(text, over) {
  const marks = (block) => CODE.repeat(block.length - 1) + "\n";
  const closed = text.replace(/^```[^\n]*\n(?:[\s\S]*?\n)?```[^\n]*\n/gm, marks);
  return closed.replace(/^```[\s\S]*/m, over ? marks : "");
}

function lastEnd(text, start) {
  let end = start;
  for (const found of text.slice(start).matchAll(SENTENCE)) end = start + found.index + found[0].length;
  return end;
}

/** Without Markdown's signs; code is only mentioned. */
function plain(text) {
  const spoken = text.replace(new RegExp(`${CODE}+`, "g"), t("live.code"));
  return spoken
    .replace(/^[|:\s-]+$|[*`#>|~]+|^\s*[-+]\s/gm, " ")
    .replace(/\s+/g, " ")
    .trim();
}

function log(words, lang = "") {
  spoken.append(el("p", { lang }, words));
  while (spoken.children.length > KEPT) spoken.firstElementChild.remove();
}
