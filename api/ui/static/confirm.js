// Asks before what is hard to undo: in a dialog that says how many tasks, in which states, which.
const dialog = document.getElementById("confirm");
const $ = (selector) => dialog.querySelector(selector);
const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
const MOST_TITLES = 5;

function counted(count) {
  const { one, many, every } = $("h2").dataset;
  if (count === "") return every;
  return Number(count) === 1 ? one : fill(many, { count: Number(count).toLocaleString("en") });
}

function item(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}

function ask({ verb, tasks, count, answer }) {
  $("h2").textContent = fill($("h2").dataset[verb], { count: counted(count) });
  const states = {};
  for (const { state } of tasks) states[state] = (states[state] ?? 0) + 1;
  $("[data-states]").textContent = Object.entries(states).map(([state, times]) => `${times} ${state}`).join(", ");
  const titles = tasks.slice(0, MOST_TITLES).map(({ title }) => item(title));
  const rest = tasks.length - MOST_TITLES;
  if (rest > 0) titles.push(item(fill($("ul").dataset.more, { count: rest })));
  $("ul").replaceChildren(...titles);
  $("[data-note]").textContent = $("[data-note]").dataset[verb] ?? "";
  $("[data-yes]").textContent = $("[data-yes]").dataset[verb];
  $("[name=reason]").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  const told = () => answer(dialog.returnValue === "yes" ? $("[name=reason]").value : null);
  dialog.addEventListener("close", told, { once: true });
}

document.addEventListener("ask", ({ detail }) => ask(detail));

document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  const task = ctx.sourceElement.closest("[data-id][data-state]");
  if (!task) return;
  event.preventDefault();
  const answer = (reason) => {
    if (reason === null) return dropRequest();
    ctx.request.body.set("reason", reason);
    return issueRequest();
  };
  ask({ verb: ctx.confirm, tasks: [task.dataset], count: "1", answer });
});
