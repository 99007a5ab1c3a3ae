/** What this browser remembers between visits, and its random names. Without storage it remembers for one visit. */

const fallback = new Map();

/** The remembered string, or null. */
export function recall(key) {
  try {
    return localStorage.getItem(`bramble.${key}`);
  } catch {
    return fallback.get(key) ?? null;
  }
}

/** Remembers a string; null forgets. */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(`bramble.${key}`);
    else localStorage.setItem(`bramble.${key}`, value);
  } catch {
    fallback.set(key, value);
  }
}

/** The remembered value of any shape; `otherwise` where there is none, or none that can be read. */
export function recallValue(key, otherwise) {
  try {
    return JSON.parse(recall(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Remembers a value of any shape. */
export function rememberValue(key, value) {
  remember(key, JSON.stringify(value));
}

/** 128 random bits in hex. crypto.randomUUID is missing on plain http origins, getRandomValues is not. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name this browser goes by, so that waiting is fair between people. */
export function browserId() {
  const known = recall("me");
  if (known) return known;
  const fresh = randomId();
  remember("me", fresh);
  return fresh;
}

const DRAFTS = "drafts"; // what was typed and not sent, by conversation
const MOST = 30; // the oldest are forgotten
const FRESH = ""; // the name of the conversation that does not exist yet

/** The draft for a conversation, "" where there is none. */
export function draftOf(conversation) {
  const found = recallValue(DRAFTS, []).find(([name]) => name === (conversation ?? FRESH));
  return found?.[1] ?? "";
}

/** Keeps a draft; an empty one is forgotten. */
export function keepDraft(conversation, text) {
  const others = recallValue(DRAFTS, []).filter(([name]) => name !== (conversation ?? FRESH));
  const all = text ? [...others, [conversation ?? FRESH, text]] : others;
  rememberValue(DRAFTS, all.slice(-MOST));
}
