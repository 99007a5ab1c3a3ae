/** Who may sign in, and the keys of programs: made, told once, taken away. */

import { arrange, el, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { copy } from "../base/copy.js";
import { announce } from "../chat/live.js";
import { field, form, line, secret } from "../settings/forms.js";
import { act } from "./load.js";
import { button, grave, moment, part } from "./parts.js";

const ACCOUNTS = "/api/admin/accounts";
const KEYS = "/api/admin/keys";

/** Fills `place`; returns how to bring it up to date. */
export function peoplePart(place) {
  const accounts = el("ul", { className: "items" });
  const keys = el("ul", { className: "items" });
  const fresh = el("p", { className: "said", attributes: { role: "status" }, hidden: true });
  place.append(
    part("admin.accounts", el("p", {}, t("admin.accounts_text")), accounts, accountForm()),
    part("admin.keys", el("p", {}, t("admin.keys_text")), fresh, keys, keyForm(fresh)),
  );
  const rows = new WeakMap(); // what the appliance told → element
  const shown = (each, make) => rows.get(each) ?? (rows.set(each, make(each)), rows.get(each));
  const update = ({ accounts: people, keys: programs }) => {
    if (people)
      arrange(
        accounts,
        people.accounts.map((each) => shown(each, account)),
      );
    if (programs)
      arrange(
        keys,
        programs.keys.map((each) => shown(each, key)),
      );
  };
  return { update };
}

function account({ name, created }) {
  const remove = grave("action.delete", () => act("DELETE", `${ACCOUNTS}/${encodeURIComponent(name)}`));
  return el(
    "li",
    { className: "item" },
    el("strong", {}, name),
    el("span", { className: "quiet" }, moment(created)),
    remove,
  );
}

function key({ id, name, account, admin, used }) {
  const what = [account, admin && t("key.admin"), used ? t("key.used", { time: moment(used) }) : t("key.unused")]
    .filter(Boolean)
    .join(" · ");
  const remove = grave("action.delete", () => act("DELETE", `${KEYS}/${encodeURIComponent(id)}`));
  return el("li", { className: "item" }, el("strong", {}, name), el("span", { className: "quiet" }, what), remove);
}

function accountForm() {
  const name = line("name", { maxLength: 60 });
  const element = form(
    t("action.add_account"),
    async (given) => {
      if (await act("POST", ACCOUNTS, given)) element.reset();
    },
    field("signin.name", name),
    field("welcome.password", secret("password", "new-password")),
  );
  return element;
}

/** The key itself is told once: it stays to be copied until the part is left. */
function keyForm(fresh) {
  const element = form(
    t("action.add_key"),
    async ({ name }) => {
      const made = await act("POST", KEYS, { name });
      if (!made) return;
      element.reset();
      const code = el("code", {}, made.secret);
      const copied = button("action.copy", async () => (await copy(made.secret)) && announce(t("action.copied")));
      fresh.replaceChildren(t("admin.key_once"), code, copied);
      set(fresh, "hidden", false);
    },
    field("key.name", line("name", { maxLength: 60 })),
  );
  return element;
}
