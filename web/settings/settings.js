/** What a person chooses for this browser: language and light; and what this is, where data lives, which keys help. */

import { el, set, wordButton } from "../base/dom.js";
import { LANGUAGES, t } from "../base/i18n.js";
import { recall, remember } from "../base/storage.js";
import { changed } from "../base/state.js";
import { choose as chooseLight } from "../base/screen.js";
import { choice } from "./forms.js";
import { signOut } from "./session.js";

const KEYS = ["send", "line", "last", "escape", "search", "new"];

/** Fills `body`; returns how to bring it up to date. */
export function settingsView(body) {
  const about = el("dl", {});
  const account = accountView();
  body.replaceChildren(
    choice(
      t("settings.language"),
      "language",
      ["", ...Object.keys(LANGUAGES)],
      recall("language") ?? "",
      named("language"),
      speak,
    ),
    choice(t("settings.light"), "light", ["", "light", "dark"], recall("light") ?? "", named("light"), chooseLight),
    account.element,
    section("about", el("p", {}, t("about.text")), about),
    section("keys", keyTable()),
  );
  return { update: (state) => (renderAbout(about, state), account.update(state)) };
}

const named = (group) => (value) => t(`${group}.${value || "auto"}`);

function speak(value) {
  remember("language", value || null);
  location.reload();
}

/** Who is signed in here, and the way in and out. */
function accountView() {
  const words = el("p", {});
  const buttons = { admin: "board", "sign-in": "key", password: "edit", "sign-out": "leave" };
  const [admin, enter, change, leave] = Object.entries(buttons).map(([name, drawing]) =>
    wordButton(name, drawing, t(`action.${name}`)),
  );
  admin.addEventListener("click", () => changed({ sheet: "admin" }));
  enter.addEventListener("click", () => changed({ sheet: "signin" }));
  change.addEventListener("click", () => changed({ sheet: "password" }));
  leave.addEventListener("click", signOut);
  const element = section("account", words, el("div", { className: "links" }, admin, enter, change, leave));
  const update = ({ session }) => {
    const name = session?.signed_in?.name;
    set(element, "hidden", !session);
    set(words, "textContent", name ? t("account.in", { name }) : t(session?.claimed ? "account.out" : "account.new"));
    set(admin, "hidden", !session?.signed_in?.admin);
    set(enter, "hidden", Boolean(name) || !session?.claimed);
    for (const button of [change, leave]) set(button, "hidden", !name);
  };
  return { element, update };
}

function section(name, ...children) {
  return el("section", {}, el("h3", {}, t(`settings.${name}`)), ...children);
}

function keyTable() {
  const rows = KEYS.map((name) =>
    el("div", {}, el("dt", {}, el("kbd", {}, t(`key.${name}`))), el("dd", {}, t(`key.${name}_does`))),
  );
  return el("dl", { className: "keys" }, ...rows);
}

function renderAbout(about, { engine, version }) {
  const facts = [
    ["model", engine?.model],
    ["context", engine?.model && t("about.tokens", { count: engine.context })],
    ["version", version],
  ];
  const rows = facts
    .filter(([, value]) => value)
    .map(([name, value]) => [el("dt", {}, t(`about.${name}`)), el("dd", {}, value)]);
  about.replaceChildren(...rows.map((pair) => el("div", {}, ...pair)));
}
