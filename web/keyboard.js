/** Keeps the page inside what the keyboard leaves, where the browser does not do so itself (Safari). */

/** Follows the visual viewport, except while the reader has zoomed in. */
export function start() {
  const view = window.visualViewport;
  const root = document.documentElement.style;
  const follow = () => {
    if (view.scale !== 1) return;
    const covered = view.height < window.innerHeight - 1;
    root.setProperty("--visible", covered ? `${view.height}px` : "100dvh");
    root.setProperty("--scrolled", covered ? `${view.offsetTop}px` : "0px");
  };
  view.addEventListener("resize", follow);
  view.addEventListener("scroll", follow);
}
