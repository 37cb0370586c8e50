// Tells the page that something has changed: the event "live" on the document, at most twice a
// second, with the numbers of the tasks where they are known. It hears so from the server's
// stream, and looks every two seconds where there is none. It rests while nobody looks.
const button = document.getElementById("live");
const POLL_MS = 2000;
const GATHER_MS = 400;
const AGAIN_MS = 15000;

let source = null;
let poll = 0;
let again = 0;
let gathering = 0;
let ids = new Set();
let isAll = false;

function show(state) {
  button.dataset.live = state;
  button.firstElementChild.textContent = button.dataset[state];
}

function tell(id) {
  if (id === undefined) isAll = true;
  else ids.add(id);
  gathering ||= setTimeout(() => {
    const detail = { ids, isAll };
    [gathering, ids, isAll] = [0, new Set(), false];
    document.dispatchEvent(new CustomEvent("live", { detail }));
  }, GATHER_MS);
}

function lookNowAndThen() {
  if (poll) return;
  show("poll");
  poll = setInterval(tell, POLL_MS);
}

function stop() {
  source?.close();
  clearInterval(poll);
  clearTimeout(again);
  [source, poll, again] = [null, 0, 0];
}

function listen() {
  if (source?.readyState === EventSource.OPEN) return;
  source?.close();
  if (!button.dataset.events) {
    lookNowAndThen();
    return;
  }
  source = new EventSource(button.dataset.events);
  source.onopen = () => {
    clearInterval(poll);
    poll = 0;
    show("stream");
  };
  for (const name of ["snapshot", "resync"]) source.addEventListener(name, () => tell());
  for (const name of ["task", "gone"]) {
    source.addEventListener(name, ({ data }) => tell(JSON.parse(data).id));
  }
  source.onerror = () => {
    lookNowAndThen();
    if (source.readyState === EventSource.CLOSED) again = setTimeout(listen, AGAIN_MS);
  };
}

function decide() {
  stop();
  if (button.getAttribute("aria-pressed") === "true") show("paused");
  else if (!document.hidden) {
    tell();
    listen();
  }
}

button.addEventListener("click", () => {
  const isPaused = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", String(!isPaused));
  decide();
});
document.addEventListener("visibilitychange", decide);
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", ({ persisted }) => persisted && decide());
show("off");
listen();
