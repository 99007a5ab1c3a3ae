/** Turns one element into another by changing only what differs: selection, focus and scroll position survive. */

/** Makes `old` look like `fresh` and returns the node that stands in the document afterwards. */
export function morph(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE) return morphText(old, fresh.data);
  if (!sameShell(old, fresh)) {
    old.replaceWith(fresh);
    return fresh;
  }
  const wanted = [...fresh.childNodes];
  wanted.forEach((child, at) => (old.childNodes[at] ? morph(old.childNodes[at], child) : old.append(child)));
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
  return old;
}

function morphText(old, data) {
  if (data.startsWith(old.data)) old.appendData(data.slice(old.data.length));
  else old.data = data;
  return old;
}

function sameShell(old, fresh) {
  return old.cloneNode(false).isEqualNode(fresh.cloneNode(false));
}
