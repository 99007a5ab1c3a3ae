/** The parts of the admin's sheet that several of its views are made of. */

import { el } from "../base/dom.js";
import { language, t } from "../base/i18n.js";

/** Bytes in words: "1.2 GB". */
export function size(bytes) {
  const [amount, unit] = bytes < 1e9 ? [bytes / 1e6, "megabyte"] : [bytes / 1e9, "gigabyte"];
  const format = { style: "unit", unit, maximumFractionDigits: amount < 10 ? 1 : 0 };
  return new Intl.NumberFormat(language, format).format(amount);
}

/** A moment in words, from seconds since 1970. */
export function moment(seconds) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
}

/** A button with words that calls `act` and cannot be pressed twice meanwhile. */
export function button(key, act, className = "") {
  const element = el("button", { type: "button", className }, t(key));
  element.addEventListener("click", async () => {
    element.disabled = true;
    await act();
    element.disabled = false;
  });
  return element;
}

/** A button that asks once more before it does something that cannot be undone. */
export function grave(key, act) {
  const element = el("button", { type: "button", className: "grave" }, t(key));
  let sure = false;
  const reset = () => ((sure = false), (element.textContent = t(key)));
  element.addEventListener("blur", reset);
  element.addEventListener("click", async () => {
    if (!sure) return ((sure = true), (element.textContent = t("action.sure")));
    element.disabled = true;
    await act();
    element.disabled = false;
    reset();
  });
  return element;
}

/** A heading over what follows. */
export function part(key, ...children) {
  return el("section", {}, el("h3", {}, t(key)), ...children);
}

/** A list of facts: pairs of words, those without a value left out. */
export function facts(list, pairs) {
  const rows = pairs
    .filter(([, value]) => value)
    .map(([key, value]) => el("div", {}, el("dt", {}, t(key)), el("dd", {}, value)));
  list.replaceChildren(...rows);
}
