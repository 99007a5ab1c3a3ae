/** The sheet that lies over the page, one at a time: which, its heading, its way out. What is on it is the others'. */

import { find, listen, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { changed, state } from "../base/state.js";
import { editorView, pickerView } from "../roles/sheets.js";
import { passwordView, signInView, welcomeView } from "./doors.js";
import { isShut, welcomed } from "./session.js";
import { settingsView } from "./settings.js";

const views = {
  settings: settingsView,
  roles: pickerView,
  role: editorView,
  signin: signInView,
  welcome: welcomeView,
  password: passwordView,
  admin: laterView,
};
const [sheet, title, body, trouble, way] = [
  "#sheet",
  "#sheet-title",
  "#sheet-body",
  "#trouble",
  "#sheet .top button",
].map(find);
let shown = null; // { name, update }

/** Binds what never changes. */
export function start() {
  sheet.addEventListener("close", left);
  listen(document, { roles: () => changed({ sheet: "roles", trouble: "" }) });
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  listen(sheet, { "close-sheet": () => sheet.close() });
}

/** It was closed by the person, or by what was done on it; at the door of a house that is shut it stays. */
function left() {
  put(null);
  if (state.sheet === "welcome") welcomed();
  changed({ sheet: isShut(state) ? "signin" : null, trouble: "" });
}

/** Shows the state. */
export function renderSheet(state) {
  if (shown && shown.name !== state.sheet) put(null);
  if (!state.sheet) return void (sheet.open && sheet.close());
  if (!shown) {
    put(state.sheet);
    if (!sheet.open) sheet.showModal();
  }
  set(way, "hidden", isShut(state));
  set(trouble, "hidden", !state.trouble);
  set(trouble, "textContent", state.trouble);
  shown.update(state);
}

function put(name) {
  shown = name && { name, ...views[name](body, () => sheet.close()) };
  if (!name) return body.replaceChildren();
  set(title, "textContent", t(`sheet.${name}`));
  body.scrollTop = 0;
}

/** The admin's part comes when it is wanted: most people never want it. */
function laterView() {
  import("../admin/admin.js").then(
    ({ adminView }) => {
      if (shown?.name === "admin") Object.assign(shown, adminView(body));
      changed();
    },
    () => changed({ trouble: t("note.offline") }),
  );
  return { update() {} };
}
