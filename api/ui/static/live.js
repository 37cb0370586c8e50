// Tells the page that something may have changed: the event "live" on the document, at most twice
// a second. It hears so from the stream that [data-events] names, beside which it looks now and
// then, because durations grow; without the stream it looks every two seconds, or as the button
// says. It rests while nobody looks.
const button = document.getElementById("live");
const POLL_MS = Number(button.dataset.every) * 1000;
const BESIDE_MS = 5000;
const GATHER_MS = 400;
const AGAIN_MS = 15000;

let source = null;
let address = "";
let poll = 0;
let again = 0;
let gathering = 0;
let isMore = false;

function show(state) {
  button.dataset.live = state;
  button.firstElementChild.textContent = button.dataset[state];
}

function tell() {
  isMore = true;
  if (gathering) return;
  isMore = false;
  document.dispatchEvent(new CustomEvent("live"));
  gathering = setTimeout(() => {
    gathering = 0;
    if (isMore) tell();
  }, GATHER_MS);
}

function look(state, milliseconds) {
  if (poll && button.dataset.live === state) return; // each failure would put off the next look
  show(state);
  clearInterval(poll);
  poll = setInterval(tell, milliseconds);
}

function stop() {
  source?.close();
  clearInterval(poll);
  clearTimeout(again);
  [source, poll, again, address] = [null, 0, 0, ""];
}

function listen() {
  const place = document.querySelector("[data-events]")?.dataset;
  address = place?.events ?? "";
  look("poll", POLL_MS);
  if (!address) return;
  source = new EventSource(address);
  source.onopen = () => look("stream", "partly" in place ? POLL_MS : BESIDE_MS);
  for (const name of ["snapshot", "task", "gone"]) source.addEventListener(name, tell);
  source.onerror = () => {
    look("poll", POLL_MS);
    if (source.readyState === EventSource.CLOSED) again = setTimeout(decide, AGAIN_MS);
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
document.addEventListener("htmx:after:swap", () => {
  const now = document.querySelector("[data-events]")?.dataset.events ?? "";
  if (now !== address) decide();
});
document.addEventListener("visibilitychange", decide);
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", ({ persisted }) => persisted && decide());
show("off");
if (!document.hidden) listen();
