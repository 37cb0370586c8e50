// A form that the server sends opens in a dialog, and closes when what it asks for was done.
const dialog = document.getElementById("sheet");
const body = document.getElementById("sheet-body");

document.addEventListener("htmx:after:swap", ({ detail }) => {
  if (detail.ctx?.target !== body || dialog.open || !body.firstElementChild) return;
  dialog.showModal();
  body.querySelector("[autofocus]")?.focus();
});
document.addEventListener("changed", () => dialog.close());
dialog.addEventListener("close", () => body.replaceChildren());
