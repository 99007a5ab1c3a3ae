/** Copying and sharing text, also without the clipboard API and the device's own sheet: those need a secure context, and
 * http://bramble.local is none. */

/** Copies `text`; resolves to whether that worked. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.readOnly = true; // or phones open their keyboard
  area.value = text;
  document.body.append(area);
  area.select();
  area.setSelectionRange(0, text.length);
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}

/** By the device's own sheet where the browser offers it, else by copying; resolves to "shared", "copied", "cancelled" or
 * "failed". */
export async function share(text) {
  if (!navigator.share) return (await copy(text)) ? "copied" : "failed";
  try {
    await navigator.share({ text });
    return "shared";
  } catch (error) {
    if (error.name === "AbortError") return "cancelled";
    return (await copy(text)) ? "copied" : "failed";
  }
}
