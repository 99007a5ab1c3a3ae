/** The WebSocket to the appliance: notices a dead link and opens it again, with back-off. Keeps no frames. */

const FIRST_RETRY = 500;
const LONGEST_RETRY = 15_000;
const HELLO_WITHIN = 8_000;
const PING_EVERY = 15_000;
const ANSWER_WITHIN = 5_000;

let socket = null;
let url = "";
let attempts = 0;
let heard = { frame() {}, lost() {} };
let timer = 0; // the one clock: the next attempt, the next ping or the deadline of an answer

/** Connects to `address` for good. `frame` gets every frame, `lost` is called when the link is gone. */
export function connect(address, handlers) {
  url = address;
  heard = handlers;
  for (const event of ["online", "offline", "pageshow"]) addEventListener(event, look);
  document.addEventListener("resume", look); // a page that was frozen
  document.addEventListener("visibilitychange", () => document.hidden || look());
  open();
}

/** Sends one frame; false when there is no link, and then the frame is gone. */
export function send(frame) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(frame));
  return true;
}

function open() {
  const opened = new WebSocket(url);
  socket = opened;
  opened.onmessage = (event) => opened === socket && receive(event.data);
  opened.onclose = () => opened === socket && lose();
  after(HELLO_WITHIN, lose);
}

function receive(data) {
  const frame = JSON.parse(data);
  if (frame.type === "hello") attempts = 0;
  after(PING_EVERY, ping);
  heard.frame(frame);
}

function ping() {
  after(ANSWER_WITHIN, lose);
  send({ type: "ping" });
}

function lose() {
  const dead = socket;
  socket = null;
  dead?.close();
  after(retryDelay(attempts++), open);
  heard.lost();
}

/** After sleep or a change of network: is the link alive, or can it be had at once? */
function look() {
  if (socket?.readyState === WebSocket.OPEN) ping();
  else if (!socket) open();
}

function retryDelay(attempt) {
  const delay = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** attempt);
  return delay * (0.5 + Math.random() / 2);
}

function after(milliseconds, action) {
  clearTimeout(timer);
  timer = setTimeout(action, milliseconds);
}
