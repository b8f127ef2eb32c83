// What pages ask of the browser through the circuit.

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

// For pages served without TLS under another name than localhost, where the clipboard API is missing.
function copyBySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

// Session storage survives a reload and ends with the tab. It may be switched off; then nothing is remembered.
export function recall(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    if (value === null) {
      sessionStorage.removeItem(name);
    } else {
      sessionStorage.setItem(name, value);
    }
  } catch {
    // Nothing to do: the draft lives as long as the page.
  }
}

let watching = null;

// Told at once, at every change, and after an outage, during which changes were lost.
export function watchVisibility(page) {
  unwatchVisibility();
  const tell = () =>
    page.invokeMethodAsync("OnVisibilityChanged", document.visibilityState === "visible").catch(() => {
      // No circuit now: it is told when the circuit is back.
    });
  watching = new AbortController();
  document.addEventListener("visibilitychange", tell, { signal: watching.signal });
  document.addEventListener("circuit-returned", tell, { signal: watching.signal });
  tell();
}

export function unwatchVisibility() {
  watching?.abort();
  watching = null;
}
