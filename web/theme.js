/** Tells the browser's own bars the colour of the paper, which only theme.css knows. */

/** Follows the change between light and dark. */
export function start() {
  const meta = document.querySelector("meta[name=theme-color]");
  const follow = () => (meta.content = getComputedStyle(document.documentElement).getPropertyValue("--paper").trim());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", follow);
  follow();
}
