/** The input: grows with its text, Enter sends, Shift+Enter breaks the line, and composing (IME) never sends. */

import { note, say, stop, typing } from "./chat.js";
import { set } from "./dom.js";
import { subscribe, writing } from "./state.js";

const form = document.querySelector("form");
const input = document.querySelector("#message");
const sendButton = document.querySelector("#send");
const stopButton = document.querySelector("#stop");

/** Binds the input and its two buttons. */
export function start() {
  form.addEventListener("submit", submit);
  input.addEventListener("input", () => (note(""), fit(), typing(() => input.value)));
  input.addEventListener("keydown", (event) => sends(event) && submit(event));
  stopButton.addEventListener("click", stop);
  for (const button of [sendButton, stopButton]) {
    button.addEventListener("mousedown", (event) => event.preventDefault()); // the keyboard stays where it is
  }
  subscribe(renderButtons);
  focus();
}

/** Puts `text` into the input, to be changed and sent by the person. */
export function write(text) {
  input.value = text;
  fit();
  input.focus();
}

/** To the input, except where that would open a keyboard over the page. */
export function focus() {
  if (matchMedia("(pointer: fine)").matches) input.focus();
}

function submit(event) {
  event.preventDefault();
  const text = input.value.trim();
  if (!text || !say(text)) return;
  input.value = "";
  fit();
}

/** Safari ends the composition before the Enter that confirmed it; only keyCode 229 still tells. */
function sends(event) {
  return event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}

function fit() {
  const border = input.offsetHeight - input.clientHeight;
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + border}px`;
  renderButtons();
}

function renderButtons() {
  const answer = writing();
  set(sendButton, "hidden", Boolean(answer));
  set(sendButton, "disabled", !input.value.trim());
  set(stopButton, "hidden", !answer);
  set(stopButton, "disabled", Boolean(answer?.stopping));
}
