/** The page's language and its words, from i18n/*.json. An unknown key shows as itself, so it is seen and mended. */

import { recall } from "./storage.js";

export const LANGUAGES = { en: "en", zh: "zh-CN" };

const wanted = [recall("language") ?? "", ...navigator.languages].map((tag) => tag.toLowerCase().split("-")[0]);
export const language = wanted.find((name) => name in LANGUAGES) ?? "en";

const words = await (await fetch(new URL(`../i18n/${language}.json`, import.meta.url))).json();
const plural = new Intl.PluralRules(language);
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** The words for `key`; `{name}` is filled from `params`, and `params.count` chooses the plural form. */
export function t(key, params = {}) {
  const entry = words[key] ?? key;
  const text = typeof entry === "string" ? entry : (entry[plural.select(params.count)] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(params[name] ?? ""));
}

/** The list of strings under `key`. */
export function list(key) {
  return words[key] ?? [];
}

/** Sentences one after the other, spaced as their writing wants; empty ones are left out. */
export function sentences(...parts) {
  return parts
    .filter(Boolean)
    .reduce((text, part) => text + (/[。？！]$/.test(text) ? "" : " ") + part, "")
    .trim();
}

export function decimal(number) {
  return tenths.format(number);
}

/** A whole number as it is written here. */
export function integer(number) {
  return whole.format(number);
}

/** A short time in seconds: "0.4 s". */
export function seconds(milliseconds) {
  const format = { style: "unit", unit: "second", unitDisplay: "narrow", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language, format).format(milliseconds / 1000);
}

/** The month of a date, with its year unless that is this one. */
export function month(date) {
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return new Intl.DateTimeFormat(language, { year, month: "long" }).format(date);
}

/** Seconds in words: "12 seconds", "2 minutes". */
export function duration(seconds) {
  const [amount, unit] = seconds < 90 ? [Math.max(1, seconds), "second"] : [seconds / 60, "minute"];
  const format = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 };
  return new Intl.NumberFormat(language, format).format(amount);
}

/** Writes the words into everything under `root` that names its key. */
export function translate(root) {
  document.documentElement.lang = LANGUAGES[language];
  for (const element of root.querySelectorAll("[data-text], [data-placeholder], [data-label]")) {
    const { text, placeholder, label } = element.dataset;
    if (text) element.textContent = t(text);
    if (placeholder) element.placeholder = t(placeholder);
    if (label) element.ariaLabel = t(label);
    if (label && element.matches("button")) element.title = t(label);
  }
}

/** The language of a text, by its first lines: mostly 汉字 is Chinese, mostly Latin words English, else unknown. */
export function languageOf(text) {
  const start = text.slice(0, 600);
  const han = start.match(/\p{Script=Han}/gu)?.length ?? 0;
  const latin = start.match(/\p{Script=Latin}+/gu)?.length ?? 0;
  const letters = start.match(/\p{L}+/gu)?.length ?? 0;
  if (han > latin) return LANGUAGES.zh;
  return latin * 2 >= letters ? LANGUAGES.en : "";
}

function shown(value) {
  return typeof value === "number" ? whole.format(value) : value;
}
