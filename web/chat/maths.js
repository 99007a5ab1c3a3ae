/** Formulas: the LaTeX that models write, as MathML, which browsers draw themselves. What it does not know it leaves
 * readable. */

import { ACCENTS, FUNCTIONS, LARGE, SYMBOLS, TEXTS } from "./symbols.js";

const MATHML = "http://www.w3.org/1998/Math/MathML";
const TOKEN = /\\[a-zA-Z]+|\\.|\d+(?:[.,]\d+)*|\s+|[\s\S]/gu;
const OPERATOR = /^[^\p{L}\p{N}]$/u;
const DEEPEST = 60;

/** A formula's element from an element that holds its source. */
export function maths(source) {
  const shown = source.classList.contains("shown");
  const math = make("math", read(source.textContent));
  if (shown) math.setAttribute("display", "block");
  return math;
}

function make(name, children = [], attributes = {}) {
  const element = document.createElementNS(MATHML, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function read(text) {
  const tokens = text.match(TOKEN) ?? [];
  const reader = { tokens, at: 0, depth: 0 };
  const all = [];
  while (reader.at < tokens.length) all.push(...row(reader, []), ...stray(reader));
  return all;
}

/** What closes nothing is shown as it is. */
function stray(reader) {
  return reader.at < reader.tokens.length ? [make("mo", [reader.tokens[reader.at++]])] : [];
}

/** Everything up to one of `ends`, or to what closes a group; indices and powers sit on what stands before them. */
function row(reader, ends) {
  const items = [];
  if (++reader.depth > DEEPEST) return (reader.depth--, items);
  while (reader.at < reader.tokens.length) {
    const token = reader.tokens[reader.at];
    if (ends.includes(token) || ["}", "\\right", "\\end", "&", "\\\\"].includes(token)) break;
    reader.at += 1;
    if (token === "^" || token === "_") items.push(script(reader, items.pop() ?? make("mrow"), token));
    else if (token.trim()) items.push(...atom(reader, token));
  }
  reader.depth -= 1;
  return items;
}

function script(reader, base, mark) {
  const first = one(reader);
  skipBlanks(reader);
  const other = reader.tokens[reader.at];
  const both = (other === "^" || other === "_") && other !== mark;
  if (both) reader.at += 1;
  const second = both ? one(reader) : null;
  const over = base.dataset?.large !== undefined;
  if (!both) return make(mark === "^" ? (over ? "mover" : "msup") : over ? "munder" : "msub", [base, first]);
  return make(over ? "munderover" : "msubsup", mark === "_" ? [base, first, second] : [base, second, first]);
}

/** One argument: a group in braces, or a single thing. */
function one(reader) {
  skipBlanks(reader);
  const token = reader.tokens[reader.at++];
  if (token === undefined) return make("mrow");
  const items = atom(reader, token);
  return items.length === 1 ? items[0] : make("mrow", items);
}

function atom(reader, token) {
  if (token === "{") return [group(reader)];
  if (token[0] === "\\" && token.length > 1) return command(reader, token.slice(1));
  if (/^\d/.test(token)) return [make("mn", [token])];
  if (token === "-") return [make("mo", ["−"])];
  return [make(OPERATOR.test(token) ? "mo" : "mi", [token])];
}

function group(reader) {
  const items = row(reader, []);
  if (reader.tokens[reader.at] === "}") reader.at += 1;
  return make("mrow", items);
}

function command(reader, name) {
  if (/^[dtc]?frac$/.test(name)) return [make("mfrac", [one(reader), one(reader)])];
  if (name === "binom") return [fenced("(", [make("mfrac", [one(reader), one(reader)], { linethickness: "0" })], ")")];
  if (name === "sqrt") return [root(reader)];
  if (name in ACCENTS) return [make("mover", [one(reader), make("mo", [ACCENTS[name]])], { accent: "true" })];
  if (TEXTS.has(name)) return [words(reader)];
  if (name === "left") return [between(reader)];
  if (name === "begin") return [environment(reader)];
  if (LARGE[name]) return [large(LARGE[name])];
  if (FUNCTIONS.has(name)) return [make("mi", [name])];
  if (SYMBOLS[name] !== undefined) return SYMBOLS[name] ? [symbol(SYMBOLS[name])] : [];
  if (/^[^a-zA-Z]$/.test(name)) return name.trim() && !",;:!".includes(name) ? [make("mo", [name])] : [make("mspace")];
  return [make("mtext", [`\\${name}`])];
}

function symbol(sign) {
  return make(/\p{L}/u.test(sign) ? "mi" : "mo", [sign]);
}

function large(sign) {
  const element = make("mo", [sign]);
  if (sign !== "∫") element.dataset.large = "";
  return element;
}

function root(reader) {
  skipBlanks(reader);
  if (reader.tokens[reader.at] !== "[") return make("msqrt", [one(reader)]);
  reader.at += 1;
  const degree = make("mrow", row(reader, ["]"]));
  reader.at += 1;
  return make("mroot", [one(reader), degree]);
}

function words(reader) {
  skipBlanks(reader);
  if (reader.tokens[reader.at] !== "{") return one(reader);
  const end = reader.tokens.indexOf("}", reader.at);
  const stop = end < 0 ? reader.tokens.length : end;
  const text = reader.tokens.slice(reader.at + 1, stop).join("");
  reader.at = stop + 1;
  return make("mtext", [text]);
}

/** \left( … \right) */
function between(reader) {
  const open = delimiter(reader);
  const inside = row(reader, []);
  const closed = reader.tokens[reader.at] === "\\right";
  if (closed) reader.at += 1;
  return fenced(open, inside, closed ? delimiter(reader) : "");
}

function delimiter(reader) {
  skipBlanks(reader);
  const token = reader.tokens[reader.at++] ?? "";
  return token === "." ? "" : (SYMBOLS[token.slice(1)] ?? token.replace("\\", ""));
}

function fenced(open, inside, close) {
  const signs = [open, close].map((sign) => (sign ? [make("mo", [sign], { stretchy: "true" })] : []));
  return make("mrow", [...signs[0], ...inside, ...signs[1]]);
}

const FENCES = { pmatrix: "()", bmatrix: "[]", vmatrix: "||", Bmatrix: "{}", cases: "{ " };

function environment(reader) {
  const name = words(reader).textContent.replace("*", "");
  if (name === "array") words(reader);
  const rows = [[[]]];
  while (reader.at < reader.tokens.length) {
    rows
      .at(-1)
      .at(-1)
      .push(...row(reader, []));
    const token = reader.tokens[reader.at++];
    if (token === "&") rows.at(-1).push([]);
    else if (token === "\\\\") rows.push([[]]);
    else if (token === "\\end") break;
  }
  if (reader.at < reader.tokens.length) words(reader);
  const filled = rows.filter((cells) => cells.some((cell) => cell.length));
  const table = make(
    "mtable",
    filled.map((cells) =>
      make(
        "mtr",
        cells.map((cell) => make("mtd", cell)),
      ),
    ),
  );
  const [open, close] = FENCES[name] ?? "  ";
  return fenced(open.trim(), [table], close.trim());
}

function skipBlanks(reader) {
  while (/^\s+$/.test(reader.tokens[reader.at] ?? "")) reader.at += 1;
}
