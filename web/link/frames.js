/** What each frame about a conversation does to the state (protocol 1, daemon/README.md). Unknown frames are ignored. */

import { enter } from "../base/route.js";
import { changed, patch, state, writing } from "../base/state.js";
import { posed, sendStop } from "../chat/chat.js";
import { problem } from "../chat/words.js";
import { resumeDeletions } from "../list/deletion.js";
import { look } from "../settings/session.js";
import { listing } from "./listing.js";
import { isUnsent, post, sendAll, settle, unsent } from "./outbox.js";
import { send } from "./socket.js";
import { told } from "./told.js";

const PROTOCOL = 1;
const STATUS = { stop: "whole", length: "cut", stopped: "stopped", error: "interrupted" };

let opening = null; // the conversation that was asked for and has not come yet

/** Takes one frame. */
export function receive(frame) {
  (handlers[frame.type] ?? listing[frame.type])?.(frame);
}

/** The link is gone: say so, keep everything. */
export function lost() {
  changed({ link: "lost" });
  look();
}

/** Asks for what is shown: what this window missed, and all that other devices do from now on. */
export function open() {
  opening = state.conversation;
  if (opening) send({ type: "open", conversation: opening });
}

/** Shows what was sent and not acknowledged before a reload. */
export function restore() {
  const mine = unsent().filter(({ conversation }) => (conversation ?? null) === state.conversation);
  state.messages = mine.flatMap(posed);
}

const handlers = {
  hello({ protocol, version }) {
    changed({ version, link: protocol === PROTOCOL ? "open" : "outdated" });
    if (state.link !== "open") return;
    open();
    sendAll();
    send({ type: "conversations" });
    send({ type: "roles" });
    resumeDeletions();
    if (state.search.query) send({ type: "search", query: state.search.query });
  },

  state: (frame) => changed({ engine: frame }),

  conversation(frame) {
    if (frame.conversation !== state.conversation) return;
    opening = null;
    const ours = state.messages.filter(({ ref, refused }) => refused || isUnsent(ref));
    const { stopping } = writing() ?? {};
    changed({ messages: [...told(frame, state.messages), ...ours], loaded: true, role: frame.role });
    if (stopping && frame.answer !== null) sendStop();
  },

  said(frame) {
    settle(frame.ref);
    const message = state.messages.find(({ ref, role }) => ref === frame.ref && role === "user");
    if (!message) return; // asked here, and left before it was acknowledged: it is in the list
    enter(frame.conversation);
    state.loaded = true;
    if (state.messages.some(({ id }) => id === frame.message)) return saidBefore(frame);
    patch(message, { pending: false, id: frame.message });
    const { stopping } = sought(frame) ?? {};
    patch(sought(frame), { answer: frame.answer, wait: { kind: "prefill" } });
    if (stopping) sendStop();
  },

  queued: (frame) => wait(frame, { kind: "queued", position: frame.position, eta: frame.eta }),
  started: (frame) => wait(frame, { kind: "prefill", done: frame.cached_tokens, total: frame.prompt_tokens }),
  paused: (frame) => wait(frame, { kind: "restarted" }),
  progress: (frame) => wait(frame, { kind: "prefill", done: frame.done, total: frame.total }),

  piece(frame) {
    const answer = sought(frame);
    if (!answer || frame.n <= answer.n) return;
    patch(answer, { text: (answer.stale ? "" : answer.text) + frame.text, n: frame.n, stale: false, wait: null });
  },

  done(frame) {
    const answer = sought(frame);
    if (!answer) return;
    if (frame.n > answer.n) return open(); // a piece is missing: the store has them all
    const { message: id, usage, timings, trimmed, cached } = frame;
    const stats = usage && timings && { ...usage, ...timings };
    state.note = "";
    patch(answer, {
      id,
      status: STATUS[frame.reason],
      text: answer.stale ? "" : answer.text,
      wait: null,
      stopping: false,
      stats,
      trimmed,
      cached,
    });
  },

  error(frame) {
    const answer = sought(frame);
    const asked = frame.ref ? settle(frame.ref) : undefined;
    if (asked?.type === "edit") return giveBack(asked, frame);
    if (frame.code === "not_found" && missing(frame, asked)) return;
    if (answer) return fail(answer, frame);
    if (frame.code === "too_large" && unsent().length) return fail(writing(), frame, settle(unsent().at(-1).ref));
    changed({ [state.sheet ? "trouble" : "note"]: problem(frame).words });
  },
};

/** Said before the link was lost, and shown already: what was kept for it goes, the answer is told anew. */
function saidBefore({ ref }) {
  state.messages = state.messages.filter((message) => message.ref !== ref || message.id);
  open();
}

/** True where the server knows a conversation or an answer no longer, and the page goes on with what there is. */
function missing(frame, asked) {
  if (typeof frame.answer === "number") return (open(), true);
  const gone = asked ? asked.conversation : opening;
  if (!gone || gone !== state.conversation) return false;
  opening = null;
  enter(null);
  const ours = asked ? [{ ref: asked.ref, type: "say", conversation: null, text: asked.text }] : [];
  changed({ loaded: true, editing: null, messages: ours.flatMap(posed) });
  ours.forEach(post);
  return true;
}

/** The message could not be changed: it is in the input again, and the conversation as it was. */
function giveBack({ message, text }, error) {
  changed({ editing: { message, text }, note: problem(error).words });
  open();
}

function fail(answer, error) {
  const question = state.messages.find(({ ref, role }) => role === "user" && ref && ref === answer.ref);
  const refused = Boolean(question && !question.id); // never stored: only this window has it
  if (question) patch(question, { pending: false, refused });
  patch(answer, { status: "interrupted", wait: null, error, refused });
  if (!refused) open(); // to learn the answer's id
}

function wait(frame, reason) {
  const answer = sought(frame);
  if (answer) patch(answer, { wait: reason });
}

/** The answer that a frame is about, by its number or, before it has one, by the ref of its message. */
function sought({ ref, answer }) {
  const meant = (message) => (ref ? message.ref === ref : typeof answer === "number" && message.answer === answer);
  return state.messages.find((message) => message.status === "writing" && meant(message));
}
