/** The settings that count at once when they are changed here. All others are in config.yaml, with their words. */

import { el, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { field } from "../settings/forms.js";
import { act } from "./load.js";

const LEVELS = ["debug", "info", "warning", "error"];

/** Fills `place`; returns how to bring it up to date. */
export function settingsPart(place) {
  const saved = el("p", { className: "said", attributes: { role: "status" } });
  const form = el("form", {});
  place.append(el("p", {}, t("admin.settings_text")), form, saved);
  let shown = null;
  const update = ({ config }) => {
    if (!config || config === shown) return;
    shown = config;
    const live = config.settings.filter(({ live, fixed }) => live && !fixed);
    const inputs = live.map((setting) => [setting, input(setting)]);
    const submit = el("button", { type: "submit", className: "main" }, t("action.save"));
    form.replaceChildren(
      ...inputs.map(([setting, element]) => labelled(setting, element)),
      el("div", { className: "ends" }, submit),
    );
    form.onsubmit = async (event) => {
      event.preventDefault();
      const changes = inputs
        .map(([setting, element]) => [setting, read(setting, element)])
        .filter(([setting, value]) => value !== setting.value);
      if (!changes.length) return set(saved, "textContent", t("admin.nothing_changed"));
      const done = await act(
        "PATCH",
        "/api/admin/config",
        Object.fromEntries(changes.map(([setting, value]) => [setting.name, value])),
      );
      set(saved, "textContent", done ? t("admin.saved") : "");
    };
  };
  return { update };
}

function labelled({ name, help }, element) {
  const own = t(`setting.${name}`);
  if (own === `setting.${name}`)
    return el("label", { className: "field" }, el("span", {}, name), element, el("small", {}, help));
  return field(`setting.${name}`, element);
}

function input({ name, value }) {
  if (name === "log_level")
    return el(
      "select",
      {},
      ...LEVELS.map((level) => el("option", { value: level, selected: level === value }, t(`level.${level}`))),
    );
  if (typeof value === "boolean") return el("input", { type: "checkbox", checked: value });
  if (typeof value === "number") return el("input", { type: "number", step: "any", value, required: true });
  return el("textarea", { value: value ?? "", rows: 4 });
}

function read({ value }, element) {
  if (element.type === "checkbox") return element.checked;
  return typeof value === "number" ? Number(element.value) : element.value;
}
