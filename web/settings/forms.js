/** The parts of a form on a sheet. */

import { el } from "../base/dom.js";
import { t } from "../base/i18n.js";

/** A line or an area to write in, with its label. */
export function field(label, input, hint = "") {
  return el("label", { className: "field" }, el("span", {}, t(label)), input, ...(hint ? [el("small", {}, hint)] : []));
}

/** A line to write in. */
export function line(name, properties = {}) {
  return el("input", { type: "text", name, required: true, autocomplete: "off", ...properties });
}

/** A password; `kind` is what password managers call it. */
export function secret(name, kind) {
  return line(name, { type: "password", autocomplete: kind, maxLength: 200 });
}

/** One of a few: `words` names the key of each value's label; `chosen` hears of it. */
export function choice(legend, name, values, current, words, chosen = () => {}) {
  const options = values.map((value) => {
    const input = el("input", { type: "radio", name, value, checked: value === current });
    input.addEventListener("change", () => chosen(value));
    return el("label", {}, input, el("span", {}, words(value)));
  });
  return el("fieldset", {}, el("legend", {}, legend), el("div", { className: "choice" }, ...options));
}

/** A form that hands its values to `send` and cannot be sent twice meanwhile. */
export function form(button, send, ...children) {
  const submit = el("button", { type: "submit", className: "main" }, button);
  const element = el("form", {}, ...children, el("div", { className: "ends" }, submit));
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    await send(Object.fromEntries(new FormData(element)));
    submit.disabled = false;
  });
  return element;
}
