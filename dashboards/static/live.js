// Keeps a page with the facts: asks for its changing parts, moves relative times on, and spares people full reloads.

const main = document.getElementById("main");
const spoken = document.getElementById("spoken");
const icon = document.querySelector("link[rel=icon]");
const IDLE_AFTER = 120_000;
let tag = null;
let asking = new AbortController();
let used = Date.now();
let timer = 0;
let skew = 0;
let failures = 0;
let status = document.querySelector("[data-status]")?.dataset.status;

// Relative times: written by the server, moved on here every second.
function words(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const [n, unit] = size < 60 ? [size, "s"] : size < 3600 ? [size / 60, "min"] : size < 172_800 ? [size / 3600, "h"] : [size / 86_400, "d"];
  return seconds > 0 ? `${Math.floor(n)} ${unit} ago` : `in ${Math.floor(n)} ${unit}`;
}

function moveTimes() {
  const now = Date.now() + skew;
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const text = words((now - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

// The server's clock decides what "ago" means; the reader's may be wrong.
function readClock(page) {
  const now = page.querySelector("[data-now]")?.dataset.now;
  if (now) skew = Number(now) - Date.now();
}

// What somebody reads, fills in or has to mend is not taken away from under them.
function inUse(region) {
  return "touched" in region.dataset || region.contains(document.activeElement) || region.querySelector(".tooltip:not([hidden]), details[open], [aria-invalid]");
}

function announce() {
  const mark = document.querySelector("[data-title]");
  if (!mark) return;
  document.title = mark.dataset.title;
  const wanted = mark.dataset.bad ? icon.dataset.bad : icon.dataset.good;
  if (icon.getAttribute("href") !== wanted) icon.href = wanted;
  if (mark.dataset.status && mark.dataset.status !== status) {
    status = mark.dataset.status;
    spoken.textContent = status;
  }
}

// Puts new regions in the place of old ones, `wanted` even where it is in use; returns whether all are now as the server sees them.
function swap(html, wanted) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  let whole = true;
  readClock(fresh);
  for (const region of fresh.querySelectorAll("[data-region]")) {
    const old = document.querySelector(`[data-region="${region.dataset.region}"]`);
    if (!old) location.reload();
    else if (region.dataset.region !== wanted && inUse(old)) whole = false;
    else if (old.innerHTML !== region.innerHTML) old.replaceWith(document.adoptNode(region));
  }
  announce();
  document.dispatchEvent(new Event("lastbeat:swapped"));
  return whole;
}

function lost(isLost) {
  const old = document.getElementById("lost");
  if (!isLost) old?.remove();
  else if (!old) {
    const note = Object.assign(document.createElement("p"), { id: "lost", className: "card notice bad lost" });
    note.setAttribute("role", "status");
    note.textContent = "Connection lost: what you see may be old. Trying again…";
    main.append(note);
  }
}

async function refresh(wanted = "") {
  asking.abort();
  asking = new AbortController();
  try {
    const reply = await fetch(main.dataset.live, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", signal: asking.signal });
    // The session has ended, or the monitor is gone: the server says so on a page of its own.
    if (reply.redirected || reply.status === 404) location.reload();
    else if (reply.status === 200) tag = swap(await reply.text(), wanted) ? reply.headers.get("ETag") : null;
    else if (reply.status !== 304) throw new Error(reply.statusText);
    failures = 0;
  } catch (error) {
    if (error.name === "AbortError") return;
    failures += 1;
  }
  lost(failures > 1);
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden) return;
  const base = Date.now() - used < IDLE_AFTER ? 4_000 : 60_000;
  timer = setTimeout(async () => {
    await refresh();
    schedule();
  }, Math.min(60_000, base * 2 ** Math.min(failures, 4)));
}

function followFacts() {
  if (location.search) {
    const url = new URL(main.dataset.live, location.href);
    for (const [name, value] of new URLSearchParams(location.search)) url.searchParams.set(name, value);
    main.dataset.live = url.pathname + url.search;
  }
  for (const sign of ["pointermove", "keydown", "visibilitychange"])
    document.addEventListener(sign, () => {
      const idle = Date.now() - used >= IDLE_AFTER || sign === "visibilitychange";
      used = Date.now();
      if (idle && !document.hidden) refresh().then(schedule);
    }, { passive: true });
  schedule();
}

// The range switch: plain links, followed without leaving the page.
async function switchRange(event) {
  const link = event.target.closest("a[data-range]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const url = new URL(main.dataset.live, location.href);
  url.searchParams.set("range", link.dataset.range);
  main.dataset.live = url.pathname + url.search;
  for (const other of document.querySelectorAll("a[data-range]")) other.removeAttribute("aria-current");
  link.setAttribute("aria-current", "true");
  history.replaceState(null, "", link.href);
  await refresh("charts");
}

// A part of the page that is dear to make is on a page of its own, and fetched when somebody opens it.
async function load(event) {
  const place = event.target;
  if (!place.open || !place.dataset.load) return;
  const [url, id] = place.dataset.load.split("#");
  const inside = place.querySelector(".loaded");
  inside.setAttribute("aria-busy", "true");
  try {
    const reply = await fetch(url, { cache: "no-store" });
    const part = new DOMParser().parseFromString(await reply.text(), "text/html").getElementById(id);
    if (part) inside.replaceChildren(document.adoptNode(part));
    else location.assign(url); // the session has ended, or the monitor is gone: the server says so on a page of its own
  } catch {
    spoken.textContent = "Connection lost"; // the link to that page is still there
  }
  inside.removeAttribute("aria-busy");
}

// navigator.clipboard exists only on https and localhost; elsewhere the old command still works.
async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.parentElement.querySelector("input, code");
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
  } catch {
    if (source.select) source.select();
    else getSelection().selectAllChildren(source);
    document.execCommand("copy");
  }
  button.textContent = "Copied";
  spoken.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

// The server writes times in the zone that this cookie names; until it has, they are in the zone of its settings.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const isNews = zone && zone !== document.documentElement.dataset.zone && !document.cookie.includes(`tz=${zone}`);
if (isNews) {
  document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax`;
  document.documentElement.dataset.zone = zone;
}

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
document.addEventListener("click", copy);
document.addEventListener("click", switchRange);
document.addEventListener("toggle", load, true); // it does not bubble
document.addEventListener("input", (event) => event.target.closest("[data-region]")?.setAttribute("data-touched", ""));
readClock(document);
setInterval(moveTimes, 1000);
if (main.dataset.live) {
  followFacts();
  if (isNews) refresh();
}
