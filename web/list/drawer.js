/** The drawer: beside the conversation where there is room, else over it. Its search, its list, its last line. */

import { find, listen, set } from "../base/dom.js";
import { t } from "../base/i18n.js";
import { recall, remember } from "../base/storage.js";
import { changed, patchList, state } from "../base/state.js";
import { focus } from "../chat/composer.js";
import { leave, show } from "../chat/chat.js";
import { send } from "../link/socket.js";
import { renderList } from "./list.js";
import { toolActions } from "./tools.js";

const SETTLES = 200; // ms without a key until a search is sent
const NEAR_END = 300; // pixels above the end where the next part of the list is asked for

const [drawer, toggle, search, scroller, rows, nothing] = [
  "#drawer",
  "#toggle",
  "#search",
  "#list",
  "#rows",
  "#nothing",
].map(find);
let typing = 0;
let ours = 0; // closings that the person did not ask for; their events come later

/** Binds what never changes, and opens the drawer where it stands beside the page. */
export function start() {
  toggle.addEventListener("click", () => open(!state.drawer));
  drawer.addEventListener("close", () => (ours ? (ours -= 1) : changed({ drawer: false })));
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.matches(":modal") && open(false));
  search.addEventListener("input", typed);
  search.addEventListener("keydown", (event) => event.key === "Escape" && search.value && clear(event));
  scroller.addEventListener("scroll", more, { passive: true });
  listen(document, { new: startAnew, close: () => open(false) });
  listen(drawer, { ...toolActions, settings: () => changed({ sheet: "settings", drawer: stays() }) });
  rows.addEventListener("click", followed);
  for (const size of ["resize", "orientationchange"]) addEventListener(size, fit);
  changed({ drawer: beside() && recall("drawer") !== "closed" });
}

/** Opens or closes it; where it stands beside the page that is remembered. */
export function open(is) {
  if (beside()) remember("drawer", is ? null : "closed");
  changed({ drawer: is });
}

/** To the search, wherever the person is; at once, as the next key is already meant for it. */
export function startSearch() {
  open(true);
  renderDrawer(state);
  search.focus();
  search.select();
}

/** Shows the state. */
export function renderDrawer(state) {
  if (drawer.open !== state.drawer) state.drawer ? unfold() : close();
  set(toggle, "ariaExpanded", String(state.drawer));
  if (!state.drawer) return;
  renderList(rows, state);
  const words = emptyWords(state);
  set(nothing, "hidden", !words);
  set(nothing, "textContent", words);
}

function unfold() {
  if (!beside()) return drawer.showModal();
  const focused = document.activeElement;
  drawer.show();
  focused?.focus(); // a dialog takes the focus, a part of the page does not
}

function close() {
  ours += 1;
  drawer.close();
}

function emptyWords({ list, search, link }) {
  if (search.query)
    return search.hits === null
      ? t(link === "open" ? "search.looking" : "search.offline")
      : search.hits.length
        ? ""
        : t("search.nothing");
  if (!list.known) return t(link === "open" ? "list.loading" : "list.offline");
  return list.items.length ? "" : t("list.empty");
}

function beside() {
  return getComputedStyle(document.documentElement).getPropertyValue("--beside").trim() === "1";
}

const stays = () => beside() && state.drawer;

/** A window that grows or shrinks across the limit: from over the page to beside it, or closed. */
function fit() {
  if (!drawer.open || drawer.matches(":modal") !== beside()) return;
  close();
  changed({ drawer: beside() });
}

function startAnew() {
  leave();
  changed({ drawer: stays() });
  focus();
}

/** Along a link of the list: the address changes, and route.js shows it. */
function followed(event) {
  const link = event.target.closest("a[data-conversation]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(link.dataset.conversation, Number(link.dataset.message) || null);
  changed({ drawer: stays() });
}

function typed() {
  const query = search.value.trim();
  clearTimeout(typing);
  changed({ search: { query, hits: query ? state.search.hits : null } });
  if (query) typing = setTimeout(() => send({ type: "search", query }), SETTLES);
}

function clear(event) {
  event.preventDefault(); // Escape would close the drawer
  search.value = "";
  typed();
}

function more() {
  const { more, asked } = state.list;
  const far = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop > NEAR_END;
  if (!more || asked || far || state.search.query) return;
  patchList({ asked: send({ type: "conversations", after: more }) });
}
