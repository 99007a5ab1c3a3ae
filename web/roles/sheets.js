/** The sheets of roles: who answers in this conversation, and the one on which a role of one's own is written. */

import { arrange, el, icon, iconButton, listen, set, wordButton } from "../base/dom.js";
import { languageOf, t } from "../base/i18n.js";
import { state } from "../base/state.js";
import { choice, field } from "../settings/forms.js";
import { give, offered, remove, save, write } from "./choice.js";

const FREEDOM = { exact: 0.1, usual: undefined, free: 0.9 }; // temperature
const LONGEST_NAME = 60;
const LONGEST_PROMPT = 8000; // characters, the protocol's limits
const NOBODY = { id: "", name: "", prompt: "" };

/** The picker: fills `body`; returns how to bring it up to date. */
export function pickerView(body, close) {
  const rows = new WeakMap(); // role → element
  const list = el("ul", { className: "roles" });
  const nobody = { ...NOBODY, name: t("role.nobody"), prompt: t("role.nobody_text"), shipped: true };
  const fresh = wordButton("new-role", "new", t("action.new_role"));
  body.replaceChildren(el("p", {}, t("role.text")), list, fresh);
  const roleOf = (button) => state.roles.find(({ id }) => id === button.closest("li").dataset.id);
  listen(list, {
    "give-role": (button) => give(button.closest("li").dataset.id || null) && close(),
    "edit-role": (button) => write(roleOf(button)),
  });
  fresh.addEventListener("click", () => write());
  const update = ({ role }) => {
    arrange(
      list,
      [nobody, ...offered()].map((each) => {
        if (!rows.has(each)) rows.set(each, row(each));
        const element = rows.get(each);
        set(element.firstElementChild, "ariaPressed", String(each.id === (role ?? "")));
        return element;
      }),
    );
  };
  return { update };
}

function row(role) {
  const { id, name, prompt, own, shipped } = role;
  const words = el("span", {}, el("strong", {}, name), el("span", { className: "around" }, prompt));
  const choose = el(
    "button",
    { type: "button", lang: languageOf(name + prompt), dir: "auto", data: { action: "give-role" } },
    icon("done"),
    words,
  );
  const label = t(own ? "action.edit_role" : "action.copy_role", { name });
  const edit = shipped ? [] : [iconButton("edit-role", own ? "edit" : "copy", label)];
  return el("li", { data: { id } }, choose, ...edit);
}

/** The editor: fills `body`; returns how to bring it up to date. */
export function editorView(body) {
  const { id, name, prompt, settings } = state.draftRole;
  const naming = el("input", {
    type: "text",
    value: name,
    maxLength: LONGEST_NAME,
    required: true,
    autocomplete: "off",
  });
  const telling = el("textarea", {
    value: prompt,
    maxLength: LONGEST_PROMPT,
    required: true,
    rows: 8,
    placeholder: t("role.prompt_example"),
  });
  const freedom = choice(t("role.freedom"), "freedom", Object.keys(FREEDOM), freedomOf(settings), (value) =>
    t(`role.${value}`),
  );
  const keep = el("button", { type: "submit", className: "main" }, t("action.save"));
  const away = wordButton("delete-role", "delete", t("action.delete"));
  away.addEventListener("click", remove);
  away.hidden = !id;
  const buttons = el("div", { className: "ends" }, keep, away);
  const form = el("form", {}, field("role.name", naming), field("role.prompt", telling), freedom, buttons);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save({
      name: naming.value.trim(),
      prompt: telling.value.trim(),
      settings: withFreedom(settings, form.freedom.value),
    });
  });
  body.replaceChildren(form);
  naming.focus();
  return { update() {} };
}

function freedomOf({ temperature }) {
  if (temperature === undefined) return "usual";
  return temperature <= 0.25 ? "exact" : temperature >= 0.8 ? "free" : "usual";
}

/** Another choice sets the temperature; the same one leaves what there was. */
function withFreedom(settings, chosen) {
  if (chosen === freedomOf(settings)) return settings;
  const { temperature: _, ...others } = settings;
  return FREEDOM[chosen] === undefined ? others : { ...others, temperature: FREEDOM[chosen] };
}
