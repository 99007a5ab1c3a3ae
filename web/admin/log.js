/** The last lines of the log, newest at the end. */

import { el, set } from "../base/dom.js";
import { language, t } from "../base/i18n.js";

const AT_END = 8; // pixels

/** Fills `place`; returns how to bring it up to date. */
export function logPart(place) {
  const log = el("div", {
    className: "log",
    tabIndex: 0,
    ariaLabel: t("admin.log"),
    attributes: { role: "group" },
    dir: "ltr",
  });
  const nothing = el("p", {}, t("list.loading"));
  place.append(nothing, log);
  const time = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  let newest = 0;
  const update = ({ lines }) => {
    set(nothing, "hidden", lines.length > 0);
    const follows = log.scrollHeight - log.clientHeight - log.scrollTop <= AT_END;
    for (const line of lines) if (line.n > newest) log.append(row(line, time));
    newest = lines.at(-1)?.n ?? 0;
    while (log.children.length > lines.length) log.firstElementChild.remove();
    if (follows) log.scrollTop = log.scrollHeight;
  };
  return { update };
}

function row({ time: seconds, level, text }, time) {
  return el("p", { className: level }, el("span", {}, time.format(seconds * 1000)), " ", text);
}
