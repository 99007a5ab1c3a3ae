/** The conversation as elements: a bubble for what the person said, plain text for what was answered. */

import { el, icon, iconButton, set } from "./dom.js";
import { decimal, languageOf, t } from "./i18n.js";
import { render } from "./markdown.js";
import { problem, waiting } from "./words.js";

const shown = new Map(); // message key → { element, message, update }

/** Brings `list` up to date with the state's messages. */
export function renderMessages(list, state) {
  const messages = state.messages.filter((message, at) => !superseded(state.messages, at));
  const keys = new Set(messages.map(({ key }) => key));
  for (const [key, { element }] of shown) if (!keys.has(key)) (element.remove(), shown.delete(key));
  messages.forEach((message, at) => {
    const view = shown.get(message.key) ?? create(message);
    if (list.children[at] !== view.element) list.insertBefore(view.element, list.children[at] ?? null);
    const last = at === messages.length - 1;
    const same = view.message === message && view.last === last && message.status !== "writing";
    if (!same) view.update(message, state, last);
    Object.assign(view, { message, last });
  });
}

/** An answer as it reads on the page, without its Markdown. */
export function textOf(key) {
  return shown.get(key)?.element.querySelector(".text")?.innerText ?? "";
}

/** A question that got no text and was asked again right after is shown once. */
function superseded(messages, at) {
  const start = messages[at].role === "user" ? at : at - 1;
  const [question, answer, again] = messages.slice(start, start + 3);
  return answer?.status === "interrupted" && !answer.text && again?.role === "user" && again.text === question?.text;
}

function create(message) {
  const view = message.role === "user" ? userView(message) : answerView(message);
  shown.set(message.key, view);
  return view;
}

function userView({ key, text, pending }) {
  const bubble = el("div", { className: "bubble", lang: languageOf(text), dir: "auto" }, text);
  const label = el("span", { className: "unseen" }, t("label.you"));
  const element = el("li", { className: pending ? "you arrives" : "you", data: { key } }, label, bubble);
  return { element, update() {} };
}

function answerView({ key }) {
  const text = el("div", { className: "text" });
  const wait = el("div", { className: "wait" });
  const trouble = el("div", { className: "problem" });
  const foot = el("div", { className: "foot" });
  const label = el("span", { className: "unseen" }, t("label.answer"));
  const element = el("li", { className: "bramble", data: { key } }, label, text, wait, trouble, foot);
  const update = (message, state, last) => {
    set(element, "lang", languageOf(message.text));
    render(text, message.text);
    renderWait(wait, waiting(message, state));
    renderProblem(trouble, message, last);
    renderFoot(foot, message);
  };
  return { element, update };
}

function renderWait(wait, reason) {
  set(wait, "hidden", !reason);
  if (!reason) return;
  if (!wait.firstChild) wait.append(el("span"), el("progress", { max: 1 }));
  const [words, bar] = wait.children;
  set(words, "textContent", reason.words);
  set(bar, "hidden", reason.fraction === null);
  set(bar, "value", reason.fraction ?? 0);
}

function renderProblem(trouble, message, last) {
  const error = message.status === "interrupted" ? (message.error ?? { code: "interrupted" }) : null;
  trouble.hidden = !error;
  if (!error) return;
  const { words, action } = problem(error);
  const label = t(`action.${action}`);
  trouble.replaceChildren(el("p", {}, words));
  if (last) trouble.append(el("button", { type: "button", data: { action } }, icon(action), label));
}

function renderFoot(foot, message) {
  foot.hidden = message.status === "writing" || (!message.text && message.status === "interrupted");
  if (foot.hidden) return;
  const copy = iconButton("copy-answer", "copy", t("action.copy_answer"));
  foot.replaceChildren(...(message.text ? [copy] : []), el("span", {}, remarks(message)));
}

/** What is worth knowing about a finished answer, in one line. */
function remarks({ status, speed, trimmed }) {
  return [
    status === "stopped" && t("done.stopped"),
    status === "cut" && t("done.cut"),
    trimmed && t("done.trimmed", { count: trimmed }),
    speed && t("done.speed", { speed: decimal(speed) }),
  ].filter(Boolean).join(" · ");
}
