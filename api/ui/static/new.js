// Files of a new task: sent at once, then named in the payload where the cursor is.
const { root } = document.documentElement.dataset;

function say(text, kind = "done") {
  document.dispatchEvent(new CustomEvent("message", { detail: { text, kind } }));
}

async function send(file) {
  const body = new FormData();
  body.append("file", file);
  const headers = { "x-page-token": document.body.dataset.page, "accept-language": document.documentElement.lang };
  const response = await fetch(`${root}/files`, { method: "POST", body, headers });
  const told = await response.json();
  if (!response.ok) throw new Error(told.detail);
  return told.id;
}

document.addEventListener("change", async ({ target }) => {
  if (!target.matches("[data-upload]")) return;
  target.disabled = true;
  for (const file of target.files) {
    try {
      const id = await send(file);
      const payload = document.querySelector("[name=payload]");
      payload.setRangeText(`{"file": ${id}}`, payload.selectionStart, payload.selectionEnd, "end");
      say(`${file.name}: ${target.dataset.sent}`);
    } catch (error) {
      say(`${file.name}: ${error.message}`, "error");
    }
  }
  target.disabled = false;
  target.value = "";
});
