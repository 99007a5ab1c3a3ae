/** Model text into elements, through marked and then the sanitizer. HTML stays text, images become their alt text. */

import DOMPurify from "./vendor/dompurify.js";
import { Marked } from "./vendor/marked.js";
import { el, iconButton } from "./dom.js";
import { t } from "./i18n.js";
import { morph } from "./morph.js";

const HARMLESS_TAG = /^<(?:br\s*\/?|\/?(?:kbd|sub|sup))>/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  tokenizer: {
    html: () => undefined,
    lheading: () => undefined, // half a list ("Rice:\n-") would flash up as a heading while it streams
    tag(source) {
      const found = HARMLESS_TAG.exec(source);
      return found ? { type: "html", raw: found[0], text: found[0], block: false } : undefined;
    },
  },
  renderer: {
    image: ({ text }) => escaped(text),
    checkbox: ({ checked }) => `<span class="task">${checked ? "☑" : "☐"}</span> `,
  },
});

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

/** Shows `text` in `container`. Blocks whose raw text is unchanged keep their elements. */
export function render(container, text) {
  const tokens = marked.lexer(text);
  const links = JSON.stringify(tokens.links); // a definition further down changes the blocks that refer to it
  const blocks = tokens.filter(({ type }) => type !== "space" && type !== "def");
  blocks.forEach((token, at) => place(container, container.children[at], token, links + token.raw));
  while (container.children.length > blocks.length) container.lastElementChild.remove();
}

function place(container, old, token, raw) {
  if (old && rendered.get(old) === raw) return;
  const fresh = block(token);
  if (!old) container.append(fresh);
  rendered.set(old ? morph(old, fresh) : fresh, raw);
}

/** One top-level token as one element. */
function block(token) {
  const fragment = DOMPurify.sanitize(marked.parser([token]).trim(), SANITIZE);
  for (const link of fragment.querySelectorAll("a[href]")) Object.assign(link, OUTWARDS);
  for (const table of fragment.querySelectorAll("table")) swap(table, (copy) => scrolling(copy, t("label.table")));
  for (const pre of fragment.querySelectorAll("pre")) swap(pre, codeBlock);
  const element = fragment.childNodes.length === 1 && fragment.firstElementChild;
  const whole = element || el("p", {}, fragment);
  whole.dir = whole.matches(".code") ? "ltr" : "auto";
  return whole;
}

/** Puts what `wrap` makes of an element in its place; of a copy, because what is replaced cannot be inside. */
function swap(element, wrap) {
  element.replaceWith(wrap(element.cloneNode(true)));
}

function codeBlock(pre) {
  const name = /\blanguage-(\S+)/.exec(pre.firstElementChild?.className ?? "")?.[1] ?? "";
  const head = el("div", {}, el("span", {}, name), iconButton("copy-code", "copy", t("action.copy")));
  return el("div", { className: "code" }, head, scrolling(pre, name));
}

/** Wide things scroll inside themselves, by keyboard too. */
function scrolling(element, label) {
  return el("div", { className: "wide", tabIndex: 0, ariaLabel: label, attributes: { role: "group" } }, element);
}

function escaped(text) {
  const holder = document.createElement("i");
  holder.textContent = text;
  return holder.innerHTML;
}
