/** State into words: the header's line, what stands in an answer's place, and errors with their next step. */

import { duration, sentences, t } from "../base/i18n.js";
import { writing } from "../base/state.js";
import { isShut } from "../settings/session.js";

/** The header's line: { key, words, tone: ""|"ready"|"busy"|"failed" }. */
export function headline({ link, engine, session }) {
  if (isShut({ session })) return plain("signed_out", "failed");
  if (link === "lost") return plain("offline");
  if (link === "outdated") return plain("outdated", "failed");
  if (link === "connecting" || !engine) return plain("connecting");
  return phases[engine.phase]?.(engine) ?? plain("connecting");
}

const phases = {
  starting: () => plain("starting", "busy"),
  loading: (engine) => plain("loading", "busy", { percent: percent(engine.fraction) }),
  ready: atWork,
  restarting: () => plain("restarting", "busy"),
  resting: ({ guard }) => (guard?.level === CRITICAL ? plain("recovering", "busy") : plain("resting", "ready")),
  failed: (engine) => {
    const reason = sentences(engine.reason || t("state.unknown_reason"), engine.hint);
    return plain("failed", "failed", { reason });
  },
  stopped: () => plain("stopped", "failed"),
};

function atWork(engine) {
  const mine = writing();
  if (!mine && engine.guard?.level === CRITICAL) return plain("recovering", "busy");
  if (mine?.wait?.kind === "queued") return queued(mine.wait.position);
  if (mine) return withWaiting(plain("answering", "busy"), engine.waiting);
  if (engine.running < engine.slots) return atRest(SLOWED[engine.guard?.code]);
  return withWaiting(plain("busy", "busy", { count: engine.running }), engine.waiting);
}

const CRITICAL = 2; // nothing new is answered
const SLOWED = {
  hot: "hot",
  throttled: "hot",
  cooler: "hot",
  weak_supply: "weak",
  memory_tight: "tight",
  slots_dropped: "tight",
  slots_return: "tight",
};

function atRest(slowed) {
  return slowed ? plain(slowed, "busy") : plain("ready", "ready");
}

function queued(position) {
  return position <= 1 ? plain("next", "busy") : plain("queued", "busy", { count: position - 1 });
}

function withWaiting(line, count) {
  return count ? { ...line, words: t("state.with_waiting", { state: line.words, count }) } : line;
}

function plain(key, tone = "", params = {}) {
  return { key, tone, words: t(`state.${key}`, params) };
}

/** What the board has to do without and why, or what happened to the store, as a sentence; empty when all is well. */
export function hardship({ link, engine }) {
  if (link !== "open" || !engine) return "";
  if (!engine.guard) return engine.store ? t(`store.${engine.store.code}`, engine.store.params) : "";
  const { code, params, sentence } = engine.guard;
  const words = t(`guard.${code}`, { ...params, machine: t(`machine.${params.machine}`) });
  return words === `guard.${code}` ? sentence : words;
}

/** Why there is no text yet: { words, fraction: 0..1 or null }; null when there is nothing to say. */
export function waiting(message, { link, engine }) {
  if (message.status !== "writing") return null;
  if (link !== "open") return say(message.answer === null ? "wait.offline" : "wait.resume");
  if (message.stopping) return say("wait.stopping");
  if (!message.wait) return message.text ? null : say("wait.reading");
  if (engine && ["starting", "loading", "restarting", "resting"].includes(engine.phase)) return say("wait.model");
  return waits[message.wait.kind](message.wait);
}

const waits = {
  sending: () => say("wait.sending"),
  queued: ({ position, eta }) => {
    const place = position <= 1 ? t("wait.next") : t("wait.queued", { count: position - 1 });
    return { words: sentences(place, eta && t("wait.eta", { time: duration(eta) })), fraction: null };
  },
  restarted: () => say("wait.restarted"),
  prefill: ({ done, total }) => {
    if (!total || done >= total) return say("wait.reading");
    return { words: t("wait.reading_percent", { percent: percent(done / total) }), fraction: done / total };
  },
};

function say(key) {
  return { words: t(key), fraction: null };
}

/** An error frame in words with its next step: { words, action: "retry"|"shorten" }. */
export function problem(error) {
  const known = TRANSLATED.has(error.code);
  const words = known ? t(`error.${error.code}`, error.params ?? {}) : error.message;
  const action = TOO_LONG.has(error.code) ? "shorten" : "retry";
  return { words: sentences(words, hint(error, known)), action };
}

const TOO_LONG = new Set(["context_length_exceeded", "too_large"]);
const TRANSLATED = new Set([
  ...TOO_LONG,
  "answering",
  "busy",
  "disk_full",
  "engine_lost",
  "internal",
  "interrupted",
  "model_unavailable",
  "not_found",
  "recovering",
  "stopping",
]);

function hint(error, known) {
  if (error.code === "busy" || error.code === "recovering")
    return t("error.busy_hint", { time: duration(error.retry_after ?? 1) });
  if (error.code === "model_unavailable") return sentences(error.message, error.hint);
  const key = `error.${error.code}_hint`;
  const words = known ? t(key) : error.hint;
  return words === key ? "" : words;
}

function percent(fraction) {
  return Math.floor(fraction * 100);
}
