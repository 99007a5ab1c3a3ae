/** One answer: its text, why there is none yet, what went wrong, what can be done with it, and its figures on demand. */

import { el, icon, iconButton, set } from "../base/dom.js";
import { decimal, integer, languageOf, seconds, t } from "../base/i18n.js";
import { state as page } from "../base/state.js";
import { render } from "./markdown.js";
import { versionsView } from "./bubble.js";
import { problem, waiting } from "./words.js";

/** The element of an answer and how to bring it up to date. */
export function answerView({ key, text: beginning }) {
  const text = el("div", { className: "text" });
  const wait = el("div", { className: "wait" }, el("span"), el("progress", { max: 1, ariaLabel: t("label.progress") }));
  const trouble = el("div", { className: "problem" });
  const foot = footView();
  const label = el("span", { className: "unseen" }, t("label.answer"));
  const element = el("li", { className: "bramble", data: { key } }, label, text, wait, trouble, foot.element);
  element.lang = languageOf(beginning);
  const update = (message, state, last) => {
    set(element, "lang", languageOf(message.text));
    render(text, message.text);
    renderWait(wait, waiting(message, state));
    renderTrouble(trouble, message, last);
    foot.update(message, last);
  };
  return { element, update };
}

function renderWait(wait, reason) {
  set(wait, "hidden", !reason);
  const [words, bar] = wait.children;
  set(words, "textContent", reason?.words ?? "");
  set(bar, "hidden", typeof reason?.fraction !== "number");
  set(bar, "value", reason?.fraction ?? 0);
}

function renderTrouble(trouble, message, last) {
  const error = message.status === "interrupted" ? (message.error ?? { code: "interrupted" }) : null;
  trouble.hidden = !error;
  if (!error) return;
  const { words, action } = problem(error);
  trouble.replaceChildren(el("p", {}, words));
  const label = t(`action.${action}`);
  const button = (name, words) => el("button", { type: "button", data: { action: name } }, icon(name), words);
  if (goesOn(message, last)) trouble.append(button("go-on", t("action.go_on")));
  if (last || message.id) trouble.append(button(action, label));
}

/** Whether the model can write on where this answer broke off. */
function goesOn({ id, status, text }, last) {
  return Boolean(last && id && text) && ["stopped", "cut", "interrupted"].includes(status);
}

function footView() {
  const copy = iconButton("copy-answer", "copy", t("action.copy_answer"));
  const share = iconButton("share", "share", t("action.share"));
  const on = iconButton("go-on", "go-on", t("action.go_on"));
  const again = iconButton("again", "retry", t("action.again"));
  const details = iconButton("details", "info", t("action.details"));
  const versions = versionsView();
  const said = el("p", { className: "remarks" });
  const numbers = el("p", { className: "figures" });
  const buttons = el("div", { className: "buttons" }, copy, share, on, again, details, versions.element);
  const element = el("div", { className: "foot" }, buttons, said, numbers);
  const update = (message, last) => {
    const { status, text, stats, id } = message;
    set(element, "hidden", status === "writing");
    if (element.hidden) return;
    for (const button of [copy, share]) set(button, "hidden", !text);
    set(on, "hidden", status === "interrupted" || !goesOn(message, last));
    set(again, "hidden", !id || status === "interrupted");
    set(details, "hidden", !stats);
    set(details, "ariaExpanded", String(Boolean(message.details)));
    versions.update(message);
    const words = remarks(message);
    set(said, "hidden", !words);
    set(said, "textContent", words);
    set(numbers, "hidden", !message.details || !stats);
    set(numbers, "textContent", message.details && stats ? figures(stats) : "");
    element.classList.toggle("last", last);
  };
  return { element, update };
}

/** What the person should know without asking: stopped, cut, something left out, not computed. Empty when all is as expected. */
function remarks({ status, trimmed, cached }) {
  return [
    status === "stopped" && t("done.stopped"),
    status === "cut" && t("done.cut"),
    cached && t(`known.${cached}`),
    trimmed && t("done.trimmed", { count: trimmed }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Speed, time and room, in one line. */
function figures(stats) {
  const { tokens_per_second: speed, first_token_ms: first, decode_ms: decode } = stats;
  const { prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion } = stats;
  const context = page.engine?.context;
  return [
    speed && t("done.speed", { speed: decimal(speed) }),
    t("done.time", { time: seconds(first + decode), first: seconds(first) }),
    context && t("done.context", { used: integer(prompt + completion), context: integer(context) }),
    cached && t("done.cached", { count: cached }),
  ]
    .filter(Boolean)
    .join(" · ");
}
