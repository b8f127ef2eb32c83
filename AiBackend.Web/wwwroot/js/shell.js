// Behaviour that must not wait for a circuit: drawer, theme, drafts, shortcuts, reconnecting.

const root = document.documentElement;
const year = 60 * 60 * 24 * 365;

function setCookie(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=${year}; samesite=strict`;
}

// The server writes times in the reader's zone from the next answer on.
setCookie("tz", Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC");

// ---- theme -------------------------------------------------------------------------------------------------------

document.addEventListener("change", (event) => {
  const choice = event.target.closest?.("[data-theme-choice]");
  if (choice) {
    root.dataset.theme = choice.value;
    setCookie("theme", choice.value);
  }
});

// ---- drawer ------------------------------------------------------------------------------------------------------

let opener = null;

function setDrawer(open) {
  if (open === root.classList.contains("drawer-open")) {
    return;
  }
  root.classList.toggle("drawer-open", open);
  document.querySelector("[data-drawer=open]")?.setAttribute("aria-expanded", String(open));
  const main = document.getElementById("main");
  if (main) {
    main.inert = open;
  }
  if (open) {
    opener = document.activeElement;
    document.querySelector("#nav a")?.focus();
  } else {
    opener?.focus?.();
    opener = null;
  }
}

document.addEventListener("click", (event) => {
  const control = event.target.closest?.("[data-drawer]");
  if (control) {
    setDrawer(control.dataset.drawer === "open");
  } else if (event.target.closest?.("#nav a")) {
    setDrawer(false);
  }
  if (event.target.closest?.("[data-skip]")) {
    event.preventDefault();
    document.getElementById("main")?.focus();
  }
  if (event.target.closest?.("[data-reload]")) {
    location.reload();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    setDrawer(false);
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const field = event.target.closest?.("[data-submit-on-ctrl-enter]");
    if (field?.form) {
      // The circuit learns the text from the change event, which typing alone does not raise.
      field.dispatchEvent(new Event("change", { bubbles: true }));
      field.form.requestSubmit();
    }
  }
});

// ---- keys --------------------------------------------------------------------------------------------------------

// One key presses the control, or goes to the field, that names it: on pages that have such keys, and unless somebody writes or chooses.
document.addEventListener("keydown", (event) => {
  const page = document.querySelector("[data-keys]");
  const from = event.target;
  if (!page || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !(from === document.body || page.contains(from))) {
    return;
  }
  if (from.closest("textarea, input, select")) {
    if (event.key === "Escape") {
      from.blur();
    }
    return;
  }
  const key = CSS.escape(event.key.toLowerCase());
  const control = page.querySelector(`[data-key~="${key}"], [data-key-focus~="${key}"]`);
  if (control && !control.matches(":disabled")) {
    event.preventDefault();
    if (control.dataset.key) {
      control.click();
    } else {
      control.focus();
    }
  }
});

// ---- drafts ------------------------------------------------------------------------------------------------------

document.addEventListener("input", (event) => {
  const name = event.target.dataset?.draft;
  if (name) {
    try {
      sessionStorage.setItem(name, event.target.value);
    } catch {
      // Storage is switched off: the draft lives as long as the page.
    }
  }
});

// ---- connection --------------------------------------------------------------------------------------------------

const retryEvery = 5000;
let retryTimer = 0;

async function reconnect() {
  clearTimeout(retryTimer);
  try {
    if (await Blazor.reconnect()) {
      return;
    }
    // The server answered but no longer knows this circuit. Pages rebuild themselves from their address.
    location.reload();
  } catch {
    retryTimer = setTimeout(reconnect, retryEvery);
  }
}

// The framework tells its state by classes; its events differ from version to version.
const bar = document.getElementById("components-reconnect-modal");
new MutationObserver(() => {
  clearTimeout(retryTimer);
  retryTimer = 0;
  if (bar.classList.contains("components-reconnect-rejected")) {
    location.reload();
  } else if (bar.classList.contains("components-reconnect-failed")) {
    retryTimer = setTimeout(reconnect, retryEvery);
  } else if (bar.classList.contains("components-reconnect-hide")) {
    document.dispatchEvent(new Event("circuit-returned"));
  }
}).observe(bar, { attributeFilter: ["class"] });

window.addEventListener("online", () => {
  if (retryTimer) {
    reconnect();
  }
});
