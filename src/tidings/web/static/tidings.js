// Relative times, copying, and the word about the live connection. Everything else is HTML, CSS and htmx.

const liveStatus = document.getElementById("live-status");
const source = document.querySelector("[data-live]");

function show(state, text) {
  liveStatus.hidden = false;
  liveStatus.dataset.state = state;
  liveStatus.querySelector("[data-text]").textContent = text;
}

function connectAgainLater() {
  show("cut", "Reconnecting…");
  setTimeout(() => htmx.trigger(source, "connect-again"), 2000);
}

if (source) {
  show("connecting", "Connecting…");
  source.addEventListener("htmx:sse:after:connection", () => show("live", "Live"));
  source.addEventListener("htmx:sse:before:connection", (event) => {
    if (event.detail.connection.attempt > 0) show("cut", "Reconnecting…");
  });
  source.addEventListener("htmx:sse:error", () => show("cut", "Reconnecting…"));
  source.addEventListener("trouble", (event) => show("cut", event.detail.data));
  source.addEventListener("htmx:sse:after:message", (event) => {
    if (event.detail.message.event !== "trouble") show("live", "Live");
  });
  source.addEventListener("htmx:error", (event) => {
    if (event.target === source) connectAgainLater();
  });
  source.addEventListener("htmx:response:error", (event) => {
    if (event.target === source) connectAgainLater();
  });
}

// Without leave to use the clipboard the command is selected, so that one key copies it.
async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Selected";
  }
}

document.addEventListener("click", (event) => {
  if (event.target.matches("[data-copy]")) copy(event.target);
});

// The same words as `ago` in engine.py.
function ago(minutes) {
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1440)} days ago`;
}

function tick() {
  for (const span of document.querySelectorAll("[data-ago]")) {
    const moment = Date.parse(span.closest("time").dateTime);
    const words = ago(Math.max(0, Math.floor((Date.now() - moment) / 60000)));
    if (span.textContent !== words) span.textContent = words;
  }
}

setInterval(tick, 15000);
