// Shows what an alert would have said without leaving the page: the form comes back from the server with its answer below.

const spoken = document.getElementById("spoken");

async function preview(event) {
  const button = event.submitter;
  if (!button?.hasAttribute("data-preview")) return;
  event.preventDefault();
  const region = button.closest("[data-region]");
  const said = new URLSearchParams(new FormData(event.target));
  said.set("alone", "");
  region.dataset.touched = ""; // what comes back is not to be taken away by the next refresh
  button.disabled = true;
  button.textContent = "Looking back…";
  try {
    const reply = await fetch(button.formAction, { method: "POST", body: said, cache: "no-store" });
    // The session has ended, or the monitor is gone: the server says so on a page of its own.
    if (reply.redirected || reply.status === 404) return location.reload();
    show(region, new DOMParser().parseFromString(await reply.text(), "text/html").body);
  } catch {
    button.disabled = false;
    button.textContent = "Preview";
    spoken.textContent = "Connection lost";
  }
}

function show(region, body) {
  if (!body.querySelector("[data-preview]")) return location.reload();
  region.replaceChildren(...body.childNodes);
  (region.querySelector("[aria-invalid]") ?? region.querySelector("[data-preview]")).focus();
  const said = ["[data-said]", "#alert-preview", ".error"].map((one) => region.querySelector(one)).find(Boolean);
  spoken.textContent = said?.textContent.trim() ?? "";
}

document.addEventListener("submit", preview);
