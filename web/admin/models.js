/** The models: which answers, what fits, fetching with its progress, changing to another one, deleting. */

import { arrange, el, set } from "../base/dom.js";
import { integer, language, t } from "../base/i18n.js";
import { act } from "./load.js";
import { button, grave, size } from "./parts.js";

const path = (name) => `/api/admin/models/${name}`;

/** Fills `place`; returns how to bring it up to date. */
export function modelsPart(place) {
  const rows = new Map(); // name → { element, update }
  const swap = el("p", { className: "said", attributes: { role: "status" } });
  const list = el("ul", { className: "items" });
  place.append(swap, list);
  const update = ({ models: told }) => {
    if (!told) return;
    set(swap, "textContent", swapWords(told.swap));
    set(swap, "hidden", !swap.textContent);
    arrange(
      list,
      told.models
        .filter(({ purpose }) => purpose === "chat")
        .map((model) => {
          if (!rows.has(model.name)) rows.set(model.name, row(model.name));
          rows.get(model.name).update(model, told);
          return rows.get(model.name).element;
        }),
    );
  };
  return { update };
}

function swapWords(swap) {
  if (!swap) return "";
  return t(`swap.${swap.stage}`, { model: swap.model, reason: [swap.reason, swap.hint].filter(Boolean).join(" ") });
}

function row(name) {
  const title = el("strong", {});
  const about = el("p", {});
  const state = el("p", { className: "quiet" });
  const bar = el("progress", { max: 1, ariaLabel: t("label.progress") });
  const fetch = button("action.fetch", () => act("POST", path("fetch"), { name }));
  const cancel = button("action.cancel", () => act("POST", path("cancel"), { name }));
  const use = button("action.use", () => act("POST", path("activate"), { name }));
  const remove = grave("action.delete", () => act("DELETE", path(encodeURIComponent(name))));
  const element = el("li", {}, title, about, state, bar, el("div", { className: "links" }, use, fetch, cancel, remove));
  const update = (model, { fetches, swap }) => {
    const fetching = fetches.find((each) => each.name === name);
    const running = Boolean(fetching && !fetching.over);
    const swapping = Boolean(swap && !["done", "failed"].includes(swap.stage));
    set(title, "textContent", model.title);
    set(about, "textContent", model[`about_${language}`] || model.about);
    set(state, "textContent", stateWords(model, fetching));
    set(bar, "hidden", !running);
    set(bar, "value", running && fetching.size ? fetching.done / fetching.size : 0);
    set(use, "hidden", !model.here || model.active || swapping);
    set(fetch, "hidden", model.here || running || !model.fits);
    set(cancel, "hidden", !running);
    set(remove, "hidden", !model.here || model.active || swapping);
  };
  return { element, update };
}

function stateWords(model, fetching) {
  const words = [size(model.size)];
  if (model.active) words.push(t("model.active"));
  else if (model.here) words.push(t("model.here"));
  if (!model.fits) words.push(t("model.unfit"));
  if (fetching && !fetching.over)
    words.push(t("model.fetching", { percent: integer(fetching.size ? (100 * fetching.done) / fetching.size : 0) }));
  if (fetching?.error) words.push(fetching.error.message, fetching.error.hint);
  return words.filter(Boolean).join(" · ");
}
