/** A small live graph: a line over the last minutes, with what it is worth now in words. */

import { el, set } from "../base/dom.js";
import { t } from "../base/i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 100; // of the drawing, stretched to its place
const HEIGHT = 30;

/** The element and how to bring it up to date with `values` (null where nothing is known) and what the last one says. */
export function graph(key) {
  const now = el("strong", {});
  const line = document.createElementNS(SVG, "polyline");
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("aria-hidden", "true");
  drawing.append(line);
  const element = el("div", { className: "graph" }, el("span", {}, t(key)), now, drawing);
  const update = (values, most, points, words) => {
    const known = values.some((value) => value !== null);
    set(element, "hidden", !known);
    if (!known) return;
    set(now, "textContent", words);
    line.setAttribute("points", drawn(values, most, points));
  };
  return { element, update };
}

/** The newest value stands at the right edge, `most` at the upper one. */
function drawn(values, most, points) {
  const top = Math.max(most, ...values.filter((value) => value !== null), Number.MIN_VALUE);
  const step = WIDTH / (points - 1);
  return values
    .map((value, at) =>
      value === null
        ? ""
        : `${(WIDTH - (values.length - 1 - at) * step).toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)}`,
    )
    .filter(Boolean)
    .join(" ");
}
