/** A conversation as the server tells it, laid over what is shown: the same message keeps its key and its figures. */

/** The messages of a `conversation` frame; `shown` are the page's own. */
export function told({ messages, answer }, shown) {
  const known = new Map();
  const after = new Map(); // an answer without an id yet is known by the message that it answers
  shown.forEach((message, at) => {
    for (const id of [message.id, ...(message.versions ?? [])]) if (id) known.set(id, message);
    if (message.role === "assistant" && !message.id && shown[at - 1]?.id) after.set(shown[at - 1].id, message);
  });
  return messages.map((message, at) => {
    const old = known.get(message.id) ?? (message.role === "assistant" ? after.get(messages[at - 1]?.id) : undefined);
    return taken(message, old, answer);
  });
}

function taken({ id, role, text, status, versions = [], cached }, old, answer) {
  const itself = old && (old.id === id || !old.id);
  const place = itself ? old : { key: old?.key ?? `stored-${versions[0] ?? id}`, role, text: "" };
  if (status === "writing") {
    return { ...place, id, versions, status, answer, n: 0, stale: true, wait: place.wait ?? null, error: undefined };
  }
  const same = itself && old.id === id && old.text === text && old.status === status;
  if (same && String(old.versions) === String(versions)) return old;
  return { ...place, id, text, status, versions, cached, pending: false, stale: false, wait: null };
}
