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

/** A button that says what it does by an icon; `action` names it for a click listener. */
export function iconButton(action, drawing, label) {
  const properties = { type: "button", className: "quiet", title: label, ariaLabel: label, data: { action } };
  return el("button", properties, icon(drawing));
}

/** A button with an icon and words. */
export function wordButton(action, drawing, label) {
  return el("button", { type: "button", data: { action } }, icon(drawing), el("span", {}, label));
}

/** Sets `key` of `element` where it differs, so that nothing is repainted or read out for nothing. */
export function set(element, key, value) {
  if (element[key] !== value) element[key] = value;
}

/** Makes `children` the children of `parent`, moving only those that are not in their place. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

/** Calls `actions[name](button)` for each button in `root` that names its action; other names are someone else's. */
export function listen(root, actions) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) actions[button.dataset.action]?.(button);
  });
}

export const find = (selector) => document.querySelector(selector);
