/** One message of the person's: a bubble at the end of the line, a pencil before it, its versions below. */

import { el, iconButton, set } from "../base/dom.js";
import { languageOf, t } from "../base/i18n.js";

/** The element of a message and how to bring it up to date. */
export function bubbleView({ key, pending }) {
  const bubble = el("div", { className: "bubble", dir: "auto" });
  const pencil = iconButton("edit", "edit", t("action.edit_message"));
  const label = el("span", { className: "unseen" }, t("label.you"));
  const versions = versionsView();
  const line = el("div", { className: "line" }, pencil, bubble);
  const element = el(
    "li",
    { className: pending ? "you arrives" : "you", data: { key } },
    label,
    line,
    versions.element,
  );
  const update = (message, state) => {
    set(bubble, "textContent", message.text);
    set(bubble, "lang", languageOf(message.text));
    set(pencil, "hidden", !message.id);
    versions.update(message, state);
  };
  return { element, update };
}

/** Which of several versions of a message is shown, and the way to the others, ‹ 2 / 3 ›: the element and how to bring it
 * up to date; hidden while there is one version. */
export function versionsView() {
  const [older, newer] = [
    iconButton("older", "older", t("action.older")),
    iconButton("newer", "newer", t("action.newer")),
  ];
  const place = el("span", {});
  const element = el(
    "div",
    { className: "versions", role: "group", ariaLabel: t("label.versions") },
    older,
    place,
    newer,
  );
  const update = ({ id, versions = [] }) => {
    set(element, "hidden", versions.length < 2);
    const at = versions.indexOf(id);
    set(place, "textContent", element.hidden ? "" : t("versions.place", { at: at + 1, count: versions.length }));
    set(older, "disabled", at <= 0);
    set(newer, "disabled", at === versions.length - 1);
  };
  return { element, update };
}
