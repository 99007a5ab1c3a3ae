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
