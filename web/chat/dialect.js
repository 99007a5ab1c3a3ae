/** The Markdown that models write, for marked: HTML stays text, images become their words, formulas stay whole. */

import { Marked } from "../vendor/marked.js";

const HARMLESS_TAG = /^<(?:br\s*\/?|\/?(?:kbd|sub|sup))>/i;
const SHOWN = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])/; // $$ … $$ or \[ … \]
const INLINE = /^(?:\\\(([\s\S]+?)\\\)|\$(?![\s$])([^$\n]*?[^\s$\\])\$(?!\d))/; // \( … \) or $ … $, and prices are neither
const FORMULA = /[\\^_={}+*/<>|()-]|^\s*\w{1,2}\s*$/;

const formula = {
  name: "maths",
  level: "inline",
  start: (source) => source.search(/\$|\\[([]/),
  tokenizer(source) {
    const shown = SHOWN.exec(source);
    const found = shown ?? INLINE.exec(source);
    if (!found) return undefined;
    const text = found[1] ?? found[2];
    if (found[0][0] === "$" && !shown && !FORMULA.test(text)) return undefined;
    return { type: "maths", raw: found[0], text, shown: Boolean(shown) };
  },
  renderer: ({ text, shown }) => `<span class="maths${shown ? " shown" : ""}">${escaped(text)}</span>`,
};

/** A formula that stands alone may hold empty lines and what elsewhere begins a list. */
const formulaBlock = {
  name: "mathsBlock",
  level: "block",
  start: (source) => source.search(/^ {0,3}(?:\$\$|\\\[)/m),
  tokenizer(source) {
    const found = /^ {0,3}(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n+|$)/.exec(source);
    return found ? { type: "mathsBlock", raw: found[0], text: found[1] ?? found[2] } : undefined;
  },
  renderer: ({ text }) => `<p><span class="maths shown">${escaped(text)}</span></p>`,
};

export const marked = new Marked({
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
marked.use({ extensions: [formula, formulaBlock] });

function escaped(text) {
  const holder = document.createElement("i");
  holder.textContent = text;
  return holder.innerHTML;
}
