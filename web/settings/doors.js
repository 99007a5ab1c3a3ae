/** The sheets at the door: the welcome of a new appliance, with its first password, and signing in. */

import { el } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { state } from "../base/state.js";
import { field, form, line, secret } from "./forms.js";
import { claim, setPassword, signIn } from "./session.js";

const ADMIN = "admin";

/** What this is, where data lives, and the password. */
export function welcomeView(body, close) {
  const later = el("button", { type: "button" }, t("action.later"));
  later.addEventListener("click", close);
  const first = form(
    t("action.set_password"),
    ({ code, password }) => claim(code.trim(), password),
    field("welcome.code", line("code", { maxLength: 60 }), t("welcome.code_hint")),
    field("welcome.password", secret("password", "new-password")),
  );
  first.lastElementChild.append(later);
  body.replaceChildren(
    el("ol", { className: "lines" }, ...["what", "where", "who"].map((key) => el("li", {}, t(`welcome.${key}`)))),
    first,
  );
  return { update() {} };
}

/** Name and password. */
export function signInView(body) {
  const name = line("name", {
    autocomplete: "username",
    maxLength: 60,
    value: state.session?.mode === "open" ? ADMIN : "",
  });
  const entry = form(
    t("action.sign_in"),
    (given) => signIn(given.name.trim(), given.password),
    field("signin.name", name),
    field("welcome.password", secret("password", "current-password")),
  );
  body.replaceChildren(el("p", {}, t(state.session?.mode === "private" ? "signin.text" : "signin.text_open")), entry);
  (name.value ? entry.password : name).focus();
  return { update() {} };
}

/** Another password. */
export function passwordView(body) {
  body.replaceChildren(
    form(
      t("action.save"),
      ({ old, password }) => setPassword(old, password),
      field("password.old", secret("old", "current-password")),
      field("password.new", secret("password", "new-password")),
    ),
  );
  return { update() {} };
}
