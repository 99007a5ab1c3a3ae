/** The sheet of the appliance, for who is signed in as admin: one part at a time, asked for anew while it is open. */

import { el, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { changed, state } from "../base/state.js";
import { show as load } from "./load.js";
import { logPart } from "./log.js";
import { modelsPart } from "./models.js";
import { peoplePart } from "./people.js";
import { settingsPart } from "./settings.js";
import { statePart } from "./state.js";

const PARTS = { state: statePart, models: modelsPart, settings: settingsPart, people: peoplePart, log: logPart };

document.head.append(el("link", { rel: "stylesheet", href: new URL("../style/admin.css", import.meta.url).href }));

/** Fills `body`; returns how to bring it up to date. */
export function adminView(body) {
  const tabs = Object.keys(PARTS).map(tab);
  const place = el("div", { id: "part", attributes: { role: "tabpanel" } });
  const list = el("div", { className: "tabs", attributes: { role: "tablist" } }, ...tabs);
  list.addEventListener("keydown", step);
  body.replaceChildren(list, place);
  let shown = null; // { name, update }
  const update = (state) => {
    const { part } = state.admin;
    for (const button of tabs) {
      const chosen = button.dataset.part === part;
      set(button, "ariaSelected", String(chosen));
      set(button, "tabIndex", chosen ? 0 : -1);
    }
    if (shown?.name !== part) {
      place.replaceChildren();
      place.ariaLabel = t(`admin.${part}`);
      shown = { name: part, ...PARTS[part](place) };
    }
    shown.update(state.admin, state);
  };
  load(state.admin.part);
  return { update };
}

function tab(part) {
  const attributes = { role: "tab", "aria-controls": "part" };
  const button = el("button", { type: "button", data: { part }, attributes }, t(`admin.${part}`));
  button.addEventListener("click", () => choose(part));
  return button;
}

function choose(part) {
  changed({ admin: { ...state.admin, part }, trouble: "" });
  load(part);
}

/** Arrow keys go from part to part. */
function step(event) {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const names = Object.keys(PARTS);
  const part = names[(names.indexOf(state.admin.part) + by + names.length) % names.length];
  choose(part);
  event.currentTarget.querySelector(`[data-part=${part}]`).focus();
}
