/** Who is signed in here: looked up at the start and whenever the link is lost, because then that may be the reason. */

import { ask } from "../base/api.js";
import { t } from "../base/i18n.js";
import { recall, remember } from "../base/storage.js";
import { changed, state } from "../base/state.js";

/** Whether this appliance lets nobody in who is not signed in, as here. */
export function isShut({ session }) {
  return session?.mode === "private" && !session.signed_in;
}

/** Asks the appliance. */
export async function look() {
  const { ok, body } = await ask("GET", "/api/session");
  if (!ok) return;
  changed({ session: body });
  if (!body.claimed && !recall("welcomed")) changed({ sheet: state.sheet ?? "welcome" });
  else if (isShut(state)) changed({ sheet: "signin" });
}

/** Signs in; then everything is asked for anew, because other conversations are one's own now. */
export function signIn(name, password) {
  return enter("/api/session", { name, password });
}

/** Sets the first password of the appliance, with the code that it shows. */
export function claim(code, password) {
  return enter("/api/password", { code, password });
}

/** Another password for who is signed in. */
export function setPassword(old, password) {
  return enter("/api/password", { old, password });
}

export async function signOut() {
  await ask("DELETE", "/api/session");
  location.reload();
}

/** The welcome was read: it does not come again here. */
export function welcomed() {
  remember("welcomed", "yes");
}

async function enter(path, body) {
  changed({ trouble: "" });
  const { ok, code, words } = await ask("POST", path, body);
  if (!ok) return changed({ trouble: body.code && code === "wrong_password" ? t("refused.wrong_code") : words });
  remember("welcomed", "yes");
  location.reload();
}
