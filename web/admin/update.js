/** An update: a pack and its signature, brought from this device; the appliance installs only what its key has signed. */

import { el, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { changed } from "../base/state.js";
import { act } from "./load.js";
import { button, part } from "./parts.js";

const PATH = "/api/admin/update";

/** A section for who may update from here; `update` brings it up to date. */
export function updateSection() {
  const files = el("input", { type: "file", multiple: true, accept: ".tar,.minisig", ariaLabel: t("admin.update_text") });
  const install = button("action.install", () => bring([...files.files]));
  const told = el("p", { className: "said told", attributes: { role: "status" } });
  const text = el("p", { className: "quiet" }, t("admin.update_text"));
  const element = part("admin.update", text, el("div", { className: "links" }, files, install), told);
  const update = ({ possible, running, told: lines } = { told: [] }) => {
    set(element, "hidden", !possible);
    set(told, "textContent", [...lines, running ? t("admin.updating") : ""].join("\n").trim());
    set(told, "hidden", !told.textContent);
    for (const control of [files, install]) set(control, "disabled", Boolean(running));
  };
  return { element, update };
}

async function bring(files) {
  const signature = files.find(({ name }) => name.endsWith(".minisig"));
  const pack = files.find((file) => file !== signature);
  if (!signature || !pack) return changed({ trouble: t("admin.update_text") });
  for (const [name, file] of Object.entries({ "pack.tar": pack, "pack.tar.minisig": signature }))
    if (!(await act("PUT", `${PATH}/${name}`, file))) return;
  await act("POST", PATH, {});
}
