// The list of tasks: what is selected, what can be done with it, and rows that keep up.
const base = document.documentElement.dataset.root;
const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
const number = (value) => Number(value).toLocaleString("en");

const chosen = new Map(); // of rows, by the number of their task: { state, title, actions }
let isAllMatching = false;
let lastTicked = null;

const rows = () => $$("#rows > tr");
const rowOf = (id) => document.getElementById(`task-${id}`);
const said = ({ dataset }) => ({
  state: dataset.state,
  title: dataset.title,
  actions: dataset.actions.split(" "),
});

// What is selected

function choose(row, isChosen) {
  if (isChosen) chosen.set(row.dataset.id, said(row));
  else chosen.delete(row.dataset.id);
}

function forbidding(verb) {
  return [...chosen.values()].filter(({ actions }) => !actions.includes(verb));
}

function reason(button) {
  const bar = $("#selection").dataset;
  const verb = button.textContent.trim();
  if (isAllMatching) {
    const isAllowed = $("#listing").dataset.actions.split(" ").includes(button.dataset.batch);
    return isAllowed ? "" : fill(bar.mixed, { verb });
  }
  const found = forbidding(button.dataset.batch);
  if (!found.length) return "";
  const states = [...new Set(found.map(({ state }) => state))].join(", ");
  return fill(bar.reason, { verb, count: found.length, all: chosen.size, states });
}

function summary() {
  const { chosen: some, all, every } = $("#selection").dataset;
  const { matching } = $("#listing").dataset;
  if (!isAllMatching) return fill(some, { count: chosen.size });
  return matching ? fill(all, { count: number(matching) }) : every;
}

function offerAll(isWhole) {
  const button = $("[data-all-matching]");
  const { dataset } = $("#listing");
  const isMore = dataset.matching ? Number(dataset.matching) > chosen.size : $(".pages a") !== null;
  const { all, every } = $("#selection").dataset;
  button.hidden = isAllMatching || !isWhole || !isMore || !$(".filters a.button");
  button.textContent = dataset.matching ? fill(all, { count: number(dataset.matching) }) : every;
}

function show() {
  const all = rows();
  for (const row of all) {
    const box = $("[data-select]", row);
    if (box) box.checked = chosen.has(row.dataset.id);
    row.toggleAttribute("data-chosen", chosen.has(row.dataset.id));
  }
  const ticked = all.filter((row) => chosen.has(row.dataset.id)).length;
  const whole = $("[data-select-all]");
  if (whole) {
    whole.checked = ticked > 0 && ticked === all.length;
    whole.indeterminate = ticked > 0 && ticked < all.length;
  }
  $("#selection").hidden = chosen.size === 0;
  $("[data-summary]").textContent = summary();
  offerAll(ticked > 0 && ticked === all.length);
  const reasons = $$("[data-batch]", $("#selection")).map((button) => {
    const why = reason(button);
    button.disabled = why !== "";
    button.title = why;
    return why;
  });
  $("[data-why]").textContent = reasons.filter(Boolean).join(" · ");
}

function clear() {
  chosen.clear();
  isAllMatching = false;
  show();
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("[data-select]");
  if (box) {
    const all = rows();
    const row = box.closest("tr");
    const [from, to] = [all.indexOf(rowOf(lastTicked)), all.indexOf(row)].sort((a, b) => a - b);
    const range = event.shiftKey && from >= 0 ? all.slice(from, to + 1) : [row];
    for (const each of range) choose(each, box.checked);
    lastTicked = row.dataset.id;
    isAllMatching = false;
    show();
  } else if (event.target.matches("[data-select-all]")) {
    for (const row of rows()) choose(row, event.target.checked);
    isAllMatching = false;
    show();
  } else if (event.target.closest("[data-all-matching]")) {
    isAllMatching = true;
    show();
  } else if (event.target.closest("[data-clear]")) clear();
  else if (event.target.closest("[data-batch]")) doMany(event.target.closest("[data-batch]"));
});

// What is done

// Another script asks, in the dialog; null: no, else the reason that was given.
function asked(verb, isEvery) {
  const tasks = isEvery ? [] : [...chosen.values()];
  const count = isEvery ? $("#listing").dataset.matching : String(tasks.length);
  return new Promise((answer) => {
    document.dispatchEvent(new CustomEvent("ask", { detail: { verb, tasks, count, answer } }));
  });
}

async function doMany(button) {
  const verb = button.dataset.batch;
  const ids = [...chosen.keys()];
  const { address, matching } = $("#listing").dataset;
  const isEvery = isAllMatching;
  const reason = isEvery || verb !== "start" ? await asked(verb, isEvery) : "";
  if (reason === null) return;
  const which = isEvery ? { matching: address, total: matching } : { ids: ids.join(",") };
  const values = { ...which, reason };
  await htmx.ajax("POST", `${base}/ui/tasks/batch/${verb}`, { values, target: "#report-body", swap: "innerHTML" });
  if (isEvery && $("#report-body progress")) {
    $("#report").showModal();
    clear();
  }
}

document.addEventListener("reported", ({ detail: { failed } }) => {
  const kept = new Set(failed.map(String));
  for (const id of [...chosen.keys()]) if (!kept.has(id)) chosen.delete(id);
  isAllMatching = false;
  show();
  if (kept.size && !$("#report").open) $("#report").showModal();
});

// What keeps up

const held = new WeakSet(); // rows about which something is asked or done
const received = new WeakMap(); // rows as they came from the server
for (const row of rows()) received.set(row, row.outerHTML);

let isLooking = false;
let isWanted = false;

function keepUp() {
  if (isLooking) {
    isWanted = true;
    return;
  }
  isLooking = true;
  look().catch(() => {}).finally(() => {
    isLooking = false;
    if (isWanted) {
      isWanted = false;
      keepUp();
    }
  });
}

async function look() {
  const { address, first } = $("#listing").dataset;
  const shown = rows().map((row) => row.dataset.id);
  const query = new URLSearchParams(address);
  query.set("ids", shown.join(","));
  if (first) query.set("newest", shown[0] ?? "0");
  const response = await fetch(`${base}/ui/tasks/rows?${query}`, { headers: { "hx-request": "true" } });
  if (response.status === 401) location.reload();
  if (!response.ok) return;
  const told = await response.json();
  const fresh = document.createElement("template");
  fresh.innerHTML = `<table><tbody>${told.rows}</tbody></table>`;
  const there = new Map($$("tr", fresh.content).map((row) => [row.dataset.id, row]));
  for (const id of shown) renew(rowOf(id), there.get(id));
  for (const [state, count] of Object.entries(told.states ?? {})) {
    const place = $(`[data-count="${state}"]`);
    if (place) place.textContent = number(count);
  }
  announce(told.new);
  show();
}

// A row is left alone while the pointer is on its buttons: none changes under it.
function renew(row, fresh) {
  if (!row || held.has(row) || $(".actions:hover, .htmx-request", row) || row.matches("[data-gone]")) return;
  if (!fresh) {
    row.setAttribute("data-gone", "");
    chosen.delete(row.dataset.id);
    for (const each of $$("button, input", row)) each.disabled = true;
    return;
  }
  if (received.get(row) === fresh.outerHTML) return;
  received.set(fresh, fresh.outerHTML);
  const focused = row === document.activeElement ? "" : place(row);
  if (chosen.has(fresh.dataset.id)) choose(fresh, true);
  row.replaceWith(fresh);
  htmx.process(fresh);
  if (focused === "") fresh.focus({ preventScroll: true });
  else if (focused) ($(focused, fresh) ?? fresh).focus({ preventScroll: true });
}

function place(row) {
  const active = document.activeElement;
  if (!row.contains(active)) return null;
  if (active.matches("[data-select]")) return "[data-select]";
  return active.dataset.verb ? `[data-verb="${active.dataset.verb}"]` : "[data-open]";
}

function announce(count) {
  const button = $("#fresh");
  button.hidden = !count;
  button.textContent = count === 1 ? button.dataset.one : fill(button.dataset.many, { count });
}

document.addEventListener("htmx:confirm", ({ detail: { ctx } }) => {
  held.add(ctx.sourceElement.closest("[data-row]"));
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  held.delete(ctx.sourceElement.closest("[data-row]"));
});
document.addEventListener("live", keepUp);
document.addEventListener("changed", keepUp);
document.addEventListener("mouseout", ({ target, relatedTarget }) => {
  const cell = target.closest?.(".actions");
  if (cell && !cell.contains(relatedTarget) && cell.closest("[data-row]")) keepUp();
});
document.addEventListener("htmx:after:swap", ({ detail }) => {
  const here = new Set(rows().map((row) => row.dataset.id));
  if (detail.ctx?.target?.id === "listing") {
    for (const id of [...chosen.keys()]) if (!here.has(id)) chosen.delete(id);
    isAllMatching = false;
  }
  for (const row of rows()) if (chosen.has(row.dataset.id)) choose(row, true);
  show();
});
clear();
