/** Model text into elements, block by block: what is finished stays as it is, only the end of the text is read again. */

import DOMPurify from "../vendor/dompurify.js";
import { el } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { codeBlock, paintCode } from "./code.js";
import { marked } from "./dialect.js";
import { maths } from "./maths.js";
import { morph } from "./morph.js";

const SANITIZE = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: (
    "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr kbd li ol p pre span strong sub sup " +
    "table tbody td th thead tr ul"
  ).split(" "),
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  ADD_URI_SAFE_ATTR: ["align", "start"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto|tel):/i,
};

const OUTWARDS = { target: "_blank", rel: "noopener noreferrer" };

const rendered = new WeakMap(); // block element → the raw text it shows
const read = new WeakMap(); // container → { text, tokens } of the last time

/** Shows `text` in `container`. Blocks whose raw text is unchanged keep their elements. */
export function render(container, text) {
  if (read.get(container)?.text === text) return;
  const tokens = lex(container, text);
  const links = text.includes("]:") ? JSON.stringify(tokens.links) : ""; // a definition changes what refers to it
  const blocks = tokens.filter(({ type }) => type !== "space" && type !== "def");
  blocks.forEach((token, at) => place(container, container.children[at], token, links + token.raw));
  while (container.children.length > blocks.length) container.lastElementChild.remove();
}

/** The text's tokens. Of a text that only grew, those before the last two blocks are taken over. */
function lex(container, text) {
  const before = read.get(container);
  const grew = before && text.startsWith(before.text) && !text.includes("]:");
  const kept = grew ? before.tokens.slice(0, firmEnd(before.tokens)) : [];
  const from = kept.reduce((length, { raw }) => length + raw.length, 0);
  const fresh = marked.lexer(text.slice(from));
  const tokens = Object.assign([...kept, ...fresh], { links: fresh.links });
  read.set(container, { text, tokens });
  return tokens;
}

/** Up to the space before the last block but one: what follows cannot reach behind it. */
function firmEnd(tokens) {
  const end = tokens.findLastIndex(({ type }, at) => type === "space" && at < tokens.length - 3);
  return end + 1;
}

function place(container, old, token, raw) {
  if (old && rendered.get(old) === raw) return;
  if (old && token.type === "code" && paintCode(old, token)) return void rendered.set(old, raw);
  const fresh = block(token);
  if (!old) container.append(fresh);
  rendered.set(old ? morph(old, fresh) : fresh, raw);
}

/** One top-level token as one element. */
function block(token) {
  if (token.type === "code") return codeBlock(token);
  const fragment = DOMPurify.sanitize(marked.parser([token]).trim(), SANITIZE);
  for (const link of fragment.querySelectorAll("a[href]")) Object.assign(link, OUTWARDS);
  for (const table of fragment.querySelectorAll("table")) swap(table, (copy) => scrolling(copy, t("label.table")));
  for (const pre of fragment.querySelectorAll("pre")) swap(pre, nestedCode);
  for (const formula of fragment.querySelectorAll(".maths")) swap(formula, maths);
  const element = fragment.childNodes.length === 1 && fragment.firstElementChild;
  const whole = element && element.localName !== "math" ? element : el("p", {}, fragment);
  whole.dir = "auto";
  return whole;
}

/** Puts what `wrap` makes of an element in its place; of a copy, because what is replaced cannot be inside. */
function swap(element, wrap) {
  element.replaceWith(wrap(element.cloneNode(true)));
}

function nestedCode(pre) {
  const lang = /\blanguage-(\S+)/.exec(pre.firstElementChild?.className ?? "")?.[1] ?? "";
  return codeBlock({ lang, text: pre.textContent.replace(/\n$/, "") });
}

/** Wide things scroll inside themselves, by keyboard too. */
export function scrolling(element, label) {
  return el("div", { className: "wide", tabIndex: 0, ariaLabel: label, attributes: { role: "group" } }, element);
}
