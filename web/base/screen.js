/** The screen: light or dark as the device says or the person chose (early.js puts that in before the page is drawn), the
 * colour of the browser's own bars, which only theme.css knows, and the room that the keyboard leaves. */

import { find } from "./dom.js";
import { remember } from "./storage.js";

/** Follows the device. */
export function start() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellBars);
  tellBars();
  followKeyboard();
}

/** "light", "dark", or "" for what the device says. */
export function choose(light) {
  remember("light", light || null);
  document.documentElement.dataset.light = light;
  tellBars();
}

function tellBars() {
  find("meta[name=theme-color]").content = getComputedStyle(document.documentElement).backgroundColor;
}

/** Keeps the page inside what the keyboard leaves, where the browser does not do so itself (Safari), except while the reader
 * has zoomed in. */
function followKeyboard() {
  const view = window.visualViewport;
  const root = document.documentElement.style;
  const follow = () => {
    if (view.scale !== 1) return;
    const covered = view.height < window.innerHeight - 1;
    root.setProperty("--visible", covered ? `${view.height}px` : "100dvh");
    root.setProperty("--scrolled", covered ? `${view.offsetTop}px` : "0");
  };
  view.addEventListener("resize", follow);
  view.addEventListener("scroll", follow);
}
