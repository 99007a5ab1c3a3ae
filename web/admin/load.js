/** What the appliance tells its admin: asked for when a part is shown and again while it stays open; kept in the state. */

import { ask } from "../base/api.js";
import { changed, state } from "../base/state.js";

const PARTS = {
  state: { every: 2000, load: status },
  models: { every: 1500, load: () => get("models", "/api/admin/models") },
  settings: { every: 0, load: () => get("config", "/api/admin/config") },
  people: { every: 0, load: people },
  log: { every: 2000, load: log },
};
const REMEMBERED = 90; // points of a graph: three minutes
const LINES = 400;

let timer = 0;
let words = { at: 0, count: 0 }; // the tokens written until then

/** Loads `part` and goes on with it while the sheet shows it. */
export async function show(part) {
  clearTimeout(timer);
  const { every, load } = PARTS[part];
  await load();
  if (every && state.sheet === "admin" && state.admin.part === part) timer = setTimeout(() => show(part), every);
}

/** Changes something and loads the part anew; resolves to the answer. Where it failed that is said, and null. */
export async function act(method, path, body) {
  changed({ trouble: "" });
  const { ok, body: answer, words: trouble } = await ask(method, path, body);
  if (!ok) return (changed({ trouble }), null);
  await show(state.admin.part);
  return answer;
}

async function get(key, path) {
  const { ok, body, words: trouble } = await ask("GET", path);
  if (!ok) return (changed({ trouble }), null);
  changed({ admin: { ...state.admin, [key]: body } });
  return body;
}

async function people() {
  await get("accounts", "/api/admin/accounts");
  await get("keys", "/api/admin/keys");
}

async function status() {
  await get("update", "/api/admin/update");
  const told = await get("status", "/api/admin/status");
  if (!told) return;
  const point = { left: told.memory.left, celsius: told.heat.celsius, speed: await speed() };
  changed({ admin: { ...state.admin, history: [...state.admin.history, point].slice(-REMEMBERED) } });
}

/** Tokens a second since the last look, from the counter that Prometheus reads. */
async function speed() {
  const response = await fetch("/metrics").catch(() => null);
  const text = response?.ok ? await response.text() : "";
  const count = Number(/^bramble_completion_tokens_total (\S+)/m.exec(text)?.[1] ?? NaN);
  const now = performance.now();
  const since = words;
  words = { at: now, count };
  return since.at && count >= since.count ? ((count - since.count) / (now - since.at)) * 1000 : null;
}

async function log() {
  const lines = state.admin.lines;
  const { ok, body } = await ask("GET", `/api/admin/logs?after=${lines.at(-1)?.n ?? 0}`);
  if (ok && body.lines.length) changed({ admin: { ...state.admin, lines: [...lines, ...body.lines].slice(-LINES) } });
}
