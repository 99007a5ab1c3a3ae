/** What each frame of the server does to the state (protocol 1, daemon/README.md). Unknown frames are ignored. */

import { sendPending, sendStop } from "./chat.js";
import { send } from "./socket.js";
import { changed, enter, patch, pending, state, writing } from "./state.js";

const PROTOCOL = 1;
const STATUS = { stop: "whole", length: "cut", stopped: "stopped", error: "interrupted" };

/** Takes one frame. */
export function receive(frame) {
  handlers[frame.type]?.(frame);
}

/** The link is gone: say so, keep everything. */
export function lost() {
  state.link = "lost";
  changed();
}

const handlers = {
  hello(frame) {
    state.link = frame.protocol === PROTOCOL ? "open" : "outdated";
    if (state.link === "open") catchUp();
    changed();
  },

  state(frame) {
    state.engine = frame;
    changed();
  },

  conversation(frame) {
    if (frame.conversation !== state.conversation) return;
    const unsaid = pending() ? state.messages.slice(-2) : [];
    state.messages = [...frame.messages.map((message) => fromStore(message, frame.answer)), ...unsaid];
    state.loaded = true;
    changed();
  },

  said(frame) {
    const message = pending();
    if (message?.ref !== frame.ref) return orphaned(frame);
    state.loaded ||= state.conversation === null;
    enter(frame.conversation);
    patch(message, { pending: false });
    if (state.messages.some(({ key }) => key === storedKey(frame.message))) return reopen(); // said before, and shown
    const { stopping } = find(frame);
    patch(find(frame), { answer: frame.answer, wait: { kind: "prefill" } });
    if (stopping) sendStop();
  },

  queued: (frame) => wait(frame, { kind: "queued", position: frame.position, eta: frame.eta }),
  started: (frame) => wait(frame, { kind: "prefill", done: frame.cached_tokens, total: frame.prompt_tokens }),
  paused: (frame) => wait(frame, { kind: "restarted" }),
  progress: (frame) => wait(frame, { kind: "prefill", done: frame.done, total: frame.total }),

  piece(frame) {
    const answer = find(frame);
    if (!answer || frame.n <= answer.n) return;
    patch(answer, { text: answer.text + frame.text, n: frame.n, wait: null });
  },

  done(frame) {
    const answer = find(frame);
    if (!answer) return;
    if (frame.n > answer.n) return reopen(); // a piece is missing: the store has them all
    const { timings, trimmed } = frame;
    state.note = "";
    patch(answer, { status: STATUS[frame.reason], wait: null, speed: timings?.tokens_per_second, trimmed });
  },

  error(frame) {
    const answer = find(frame);
    if (frame.code === "not_found") return missing(frame, answer);
    if (frame.code === "too_large" && pending()) return fail(writing(), frame);
    if (answer) fail(answer, frame);
  },
};

/** After every hello: whatever the server may have missed of us, or we of it. */
function catchUp() {
  const answer = writing();
  if (!state.loaded) reopen();
  if (pending()) return sendPending();
  if (!answer) return;
  send({ type: "resume", answer: answer.answer, after: answer.n });
  if (answer.stopping) sendStop();
}

function reopen() {
  if (state.conversation) send({ type: "open", conversation: state.conversation });
}

/** The server knows the answer no longer, or the conversation: quietly go on with what there is. */
function missing(frame, answer) {
  if (typeof frame.answer === "number") return answer && reopen();
  if (state.conversation === null || (frame.ref && !answer)) return;
  enter(null);
  state.loaded = true;
  state.messages = pending() ? state.messages.slice(-2) : [];
  sendPending();
  changed();
}

/** The chat was left before its message was acknowledged: nobody would see the answer. */
function orphaned(frame) {
  if (!state.messages.some((message) => message.ref === frame.ref)) send({ type: "stop", answer: frame.answer });
}

function fail(answer, error) {
  const message = pending();
  if (message) patch(message, { pending: false });
  patch(answer, { status: "interrupted", wait: null, error });
}

function wait(frame, reason) {
  const answer = find(frame);
  if (answer) patch(answer, { wait: reason });
}

/** The answer that a frame is about, by its number or, before it has one, by the ref of its message. */
function find({ ref, answer }) {
  const meant = (message) => (ref ? message.ref === ref : typeof answer === "number" && message.answer === answer);
  return state.messages.find((message) => message.status === "writing" && meant(message));
}

function storedKey(id) {
  return `stored-${id}`;
}

function fromStore({ id, role, text, status }, answer) {
  const message = { key: storedKey(id), role, text, status };
  if (status !== "writing") return message;
  return answer === null ? { ...message, status: "interrupted" } : { ...message, text: "", answer, n: 0, wait: null };
}
