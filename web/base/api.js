/** Asking the appliance over HTTP, for what the socket does not carry. Every outcome is an answer, also none. */

import { duration, t } from "./i18n.js";

const PATIENCE = 20_000; // ms

/** `body` is a file, or sent as JSON. Resolves to { ok, code, body, words }: `words` say what went wrong and what to do next, empty where all is well. */
export async function ask(method, path, body) {
  const file = body instanceof Blob;
  try {
    const response = await fetch(path, {
      method,
      headers: file || body === undefined ? {} : { "Content-Type": "application/json" },
      body: file ? body : JSON.stringify(body),
      signal: file ? undefined : AbortSignal.timeout(PATIENCE),
    });
    const answer = await response.json().catch(() => ({}));
    return {
      ok: response.ok,
      code: answer.error?.code,
      body: answer,
      words: response.ok ? "" : trouble(response, answer),
    };
  } catch {
    return { ok: false, body: {}, words: t("note.offline") };
  }
}

function trouble(response, { error }) {
  const wait = Number(response.headers.get("Retry-After")) || 1;
  const words = t(`refused.${error?.code}`, { time: duration(wait) });
  return words.startsWith("refused.")
    ? [error?.message, error?.hint].filter(Boolean).join(" ") || t("refused.other")
    : words;
}
