/** Light colours for code: comments, strings, numbers and the words that most languages share. No grammar, no mistakes
 * that matter. */

const HASH = new Set(
  "py python sh bash shell zsh console rb ruby yaml yml toml ini r pl perl make makefile dockerfile nginx conf julia".split(
    " ",
  ),
);
const DASHES = new Set("sql lua hs haskell".split(" "));
const MARKUP = new Set("html xml svg vue".split(" "));
const PLAIN = new Set(["text", "txt", "plain", "plaintext", "markdown", "md", "output", "diff", "csv", ""]);

const WORDS = (
  "abstract and as async await begin break case catch class const continue def default defer del delete do done echo elif " +
  "else elseif end enum esac except export extends extern false False fi final finally fn for foreach from func function " +
  "global go goto if impl implements import in include inline instanceof interface is lambda let local match mod module mut " +
  "namespace new nil none None nonlocal not null or override package pass private protected pub public raise require return " +
  "self static struct super switch template then this throw trait true True try type typedef typeof undefined union unless " +
  "until use using var virtual void where while with yield " +
  "bool boolean byte char double float int integer long short string str unsigned u8 u32 u64 i32 i64 usize f64"
).split(" ");
const SQL = (
  "select from where insert into values update set delete create table drop alter index join left right inner outer on " +
  "group by order having limit offset union all distinct as and or not null primary key foreign references default"
).split(" ");

const STRING =
  String.raw`"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'|` +
  "`(?:\\\\.|[^`\\\\])*`?";
const NUMBER = String.raw`\b(?:0x[\da-fA-F]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\b`;
const C_COMMENT = String.raw`\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)`;
const WORD = String.raw`[\p{L}_$][\p{L}\p{N}_$]*`;

const made = new Map();

/** `text` in parts: [kind, part], kind "comment", "string", "number", "keyword" or "" for the rest. */
export function tokens(text, name) {
  const language = name.toLowerCase();
  if (PLAIN.has(language)) return text ? [["", text]] : [];
  const { pattern, words } = made.get(language) ?? prepare(language);
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    const kind = kindOf(found.groups, words);
    if (!kind) continue;
    if (found.index > end) parts.push(["", text.slice(end, found.index)]);
    parts.push([kind, found[0]]);
    end = found.index + found[0].length;
  }
  if (end < text.length) parts.push(["", text.slice(end)]);
  return parts;
}

function kindOf({ comment, string, number, word, tag }, words) {
  if (comment) return "comment";
  if (string) return "string";
  if (number) return "number";
  return tag || words.has(word) || words.has(word?.toLowerCase()) ? "keyword" : "";
}

function prepare(language) {
  const tag = MARKUP.has(language) ? String.raw`(?<tag><\/?[\w:-]+|\/?>)|` : "(?<tag>(?!))|";
  const source = `(?<comment>${commentOf(language)})|${tag}(?<string>${STRING})|(?<number>${NUMBER})|(?<word>${WORD})`;
  const words = new Set(MARKUP.has(language) ? [] : language === "sql" ? SQL : WORDS);
  const entry = { pattern: new RegExp(source, "gu"), words };
  made.set(language, entry);
  return entry;
}

function commentOf(language) {
  if (HASH.has(language)) return String.raw`(?<![\w$])#[^\n]*`;
  if (DASHES.has(language)) return String.raw`--[^\n]*`;
  if (MARKUP.has(language)) return String.raw`<!--[\s\S]*?(?:-->|$)`;
  return C_COMMENT;
}
