/** A block of code: its language, a copy button, its text in light colours. Everything goes in as text nodes. */

import { el, iconButton } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { tokens } from "./syntax.js";

/** The element of a block: `lang` as it was written behind the fence. */
export function codeBlock({ lang = "", text }) {
  const name = lang.split(/[\s{,]/)[0];
  const head = el("div", {}, el("span", {}, name), iconButton("copy-code", "copy", t("action.copy")));
  const code = el("code", { translate: false });
  const pre = el("pre", {}, code);
  const label = t("label.code");
  const wide = el("div", { className: "wide", tabIndex: 0, ariaLabel: label, attributes: { role: "group" } }, pre);
  const element = el("div", { className: "code", dir: "ltr", data: { lang } }, head, wide);
  paint(code, text, name);
  return element;
}

/** Brings a block up to date with a text that grew; false where `element` is another thing. */
export function paintCode(element, { lang = "", text }) {
  if (!element.matches(".code") || element.dataset.lang !== lang) return false;
  paint(element.querySelector("code"), text, element.querySelector("span").textContent);
  return true;
}

/** Nodes that say the same stay, so that a selection in them does. */
function paint(code, text, name) {
  let node = code.firstChild;
  for (const [kind, part] of tokens(text, name)) {
    if (node && sameKind(node, kind)) {
      const letters = kind ? node.firstChild : node;
      if (letters.data !== part)
        letters.data.length < part.length && part.startsWith(letters.data)
          ? letters.appendData(part.slice(letters.length))
          : (letters.data = part);
      node = node.nextSibling;
    } else {
      code.insertBefore(kind ? el("span", { className: kind }, part) : document.createTextNode(part), node);
    }
  }
  while (node) {
    const next = node.nextSibling;
    node.remove();
    node = next;
  }
}

function sameKind(node, kind) {
  return kind ? node.className === kind : node.nodeType === Node.TEXT_NODE;
}
