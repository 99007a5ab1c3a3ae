/** Making elements. Text goes in as text nodes; nothing here takes HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties (`data` for data-*, `attributes` for the rest); strings become text nodes. */
export function el(tag, { data = {}, attributes = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** One of the drawings in index.html, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A button that says what it does by an icon; `action` names it for the one click listener (actions.js). */
export function iconButton(action, drawing, label) {
  const properties = { type: "button", className: "quiet", title: label, ariaLabel: label, data: { action } };
  return el("button", properties, icon(drawing));
}

/** Sets `key` of `element` where it differs, so that nothing is repainted or read out for nothing. */
export function set(element, key, value) {
  if (element[key] !== value) element[key] = value;
}
