// What every screen does in the browser: settings, messages, dialogs, single keys.
const root = document.documentElement;

function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
}

document.addEventListener("change", ({ target }) => {
  if (!target.closest("#settings")) return;
  if (target.name === "theme") remember("theme", (root.dataset.theme = target.value));
  if (target.name === "keys") remember("keys", (root.dataset.keys = target.checked ? "on" : "off"));
});

document.addEventListener("click", (event) => {
  const language = event.target.closest("[data-language]")?.dataset.language;
  if (language) {
    event.preventDefault();
    remember("lang", language);
    location.reload();
  }
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.getElementById(opener.dataset.dialog).showModal();
  if (event.target.closest("[data-cancel]")) event.target.closest("dialog").close();
  if (event.target.closest(".message button")) event.target.closest(".message").remove();
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier.dataset.copy).then(() => say(copier.dataset.copied));
});

// Browsers have a clipboard behind TLS and on this machine only; elsewhere a field is copied from.
function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  return Promise.resolve();
}

// The server speaks through this event too: the header HX-Trigger.
function say(text, kind = "done") {
  const shown = document.getElementById("message").content.firstElementChild.cloneNode(true);
  shown.dataset.kind = kind;
  shown.querySelector("span").textContent = text;
  document.getElementById("messages").append(shown);
  setTimeout(() => shown.remove(), kind === "error" ? 15000 : 5000);
}
document.addEventListener("message", ({ detail }) => say(detail.text, detail.kind));

document.addEventListener("htmx:error", ({ detail }) => {
  if (detail.ctx) say(root.dataset.away, "error");
});

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  if (ctx.response.status >= 500 && !ctx.response.headers.has("hx-trigger")) say(root.dataset.failed, "error");
});

// Fields that say nothing stay out of addresses.
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  if (ctx.request.method !== "GET") return;
  const fields = [...ctx.request.body].filter(([, value]) => value !== "");
  for (const name of [...ctx.request.body.keys()]) ctx.request.body.delete(name);
  for (const [name, value] of fields) ctx.request.body.append(name, value);
});

const rows = () => [...document.querySelectorAll("[data-row]")];

function move(step) {
  const all = rows();
  const at = all.indexOf(document.activeElement?.closest("[data-row]"));
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => document.activeElement?.closest("[data-row]")?.querySelector("[data-select]")?.click(),
  "?": () => document.getElementById("settings").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && event.target.matches("[data-row]")) {
    event.target.querySelector("[data-open]")?.click();
    return;
  }
  const isTyping = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (isTyping || root.dataset.keys === "off" || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
