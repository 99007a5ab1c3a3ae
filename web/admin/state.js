/** How the appliance fares: state, memory, heat, speed and room on the disk, with small graphs that move. */

import { el, set } from "../base/dom.js";
import { decimal, integer, t } from "../base/i18n.js";
import { hardship, headline } from "../chat/words.js";
import { graph } from "./graph.js";
import { act } from "./load.js";
import { button, facts, grave, moment, part, size } from "./parts.js";
import { updateSection } from "./update.js";

const POINTS = 90;

/** Fills `place`; returns how to bring it up to date. */
export function statePart(place) {
  const words = el("p", { className: "said" });
  const [memory, heat, speed] = ["admin.memory", "admin.heat", "admin.speed"].map(graph);
  const list = el("dl", {});
  const restart = button("action.restart", () => act("POST", "/api/admin/engine/restart"));
  const copy = el("a", { href: "/api/admin/backup", download: "" }, t("action.backup"));
  const power = ["reboot", "shutdown"].map((what) => grave(`action.${what}`, () => act("POST", `/api/admin/${what}`)));
  const news = updateSection();
  const links = el("div", { className: "links" }, copy, restart, ...power);
  place.append(
    words,
    el("div", { className: "graphs" }, memory.element, heat.element, speed.element),
    part("admin.facts", list),
    links,
    news.element,
  );
  const update = ({ status, history, update: told }, state) => {
    news.update(told);
    set(words, "textContent", [headline(state).words, hardship(state)].filter(Boolean).join(" · "));
    for (const element of [links, list.parentElement]) set(element, "hidden", !status);
    if (!status) return;
    for (const button of power) set(button, "hidden", !status.power);
    const { left, total } = status.memory;
    const column = (name) => history.map((point) => point[name]);
    memory.update(
      column("left"),
      total,
      POINTS,
      left === null ? "" : t("admin.memory_left", { left: size(left), total: size(total) }),
    );
    heat.update(column("celsius"), 100, POINTS, t("admin.celsius", { celsius: integer(status.heat.celsius ?? 0) }));
    speed.update(column("speed"), 1, POINTS, t("done.speed", { speed: decimal(history.at(-1)?.speed ?? 0) }));
    showFacts(list, status);
  };
  return { update };
}

function showFacts(list, { model, disk, engine, memory, since, host, version }) {
  facts(list, [
    ["about.model", model.title ?? model.name],
    ["admin.notes", model.notes.join(" ")],
    [
      "admin.threads",
      model.threads && t("admin.threads_words", { decode: model.threads, prefill: model.prefill_threads }),
    ],
    [
      "admin.used",
      memory.daemon && t("admin.used_words", { daemon: size(memory.daemon), engine: size(memory.engine ?? 0) }),
    ],
    [
      "admin.disk",
      disk.models.free && t("admin.disk_words", { free: size(disk.models.free), total: size(disk.models.total) }),
    ],
    ["admin.restarts", engine.restarts ? integer(engine.restarts) : ""],
    ["admin.since", moment(since)],
    ["admin.host", host],
    ["about.version", version],
  ]);
}
