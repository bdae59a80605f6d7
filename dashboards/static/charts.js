// Reading values off the server-drawn charts: pointer, finger and keyboard, with one cursor for all charts of the page.

const charts = new Set();
const zone = document.documentElement.dataset.zone;
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone });
const digits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 5 });

const suffixes = [[1e12, "T"], [1e9, "G"], [1e6, "M"]];

// Long numbers get the suffix that the axis has, with more digits.
function number(value) {
  const rounded = Number(value.toPrecision(5));
  const size = Math.abs(rounded);
  if (size >= 1e15) return rounded.toExponential();
  const [unit, suffix] = suffixes.find(([least]) => size >= least) ?? [1, ""];
  return `${digits.format(rounded / unit)}${suffix}`;
}

function words(data, i) {
  const range = data.lo[i] === data.hi[i] ? "" : ` (${number(data.lo[i])} – ${number(data.hi[i])})`;
  return `${number(data.v[i])}${range}`;
}

function moment(seconds) {
  return day.format(seconds * 1000);
}

function nearest(times, t) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) low = middle + 1;
    else high = middle;
  }
  return low > 0 && t - times[low - 1] < times[low] - t ? low - 1 : low;
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.data = JSON.parse(figure.querySelector("script").textContent);
    this.plot = figure.querySelector(".plot");
    this.crosshair = figure.querySelector(".crosshair");
    this.dot = figure.querySelector(".dot");
    this.tooltip = figure.querySelector(".tooltip");
    this.index = -1;
    this.listen();
  }

  listen() {
    const follow = (event) => {
      const box = this.plot.getBoundingClientRect();
      showAll(this.data.t0 + ((event.clientX - box.left) / box.width) * (this.data.t1 - this.data.t0));
    };
    this.plot.addEventListener("pointermove", follow);
    this.plot.addEventListener("pointerdown", follow);
    // A finger that lifts leaves its reading on the screen; a mouse that leaves takes it along.
    this.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hideAll());
    this.plot.addEventListener("blur", hideAll);
    this.plot.addEventListener("keydown", (event) => this.key(event));
    const values = this.figure.querySelector(".values");
    values.addEventListener("toggle", () => values.open && this.fillTable(values.querySelector(".scroll")));
  }

  key(event) {
    const last = this.data.t.length - 1;
    const at = this.index < 0 ? last + 1 : this.index;
    const target = { ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: last }[event.key];
    if (event.key === "Escape") hideAll();
    if (target === undefined) return;
    event.preventDefault();
    const i = Math.min(last, Math.max(0, target));
    showAll(this.data.t[i]);
    document.getElementById("spoken").textContent = `${moment(this.data.t[i])}: ${words(this.data, i)}`;
  }

  show(t) {
    const { data } = this;
    const i = nearest(data.t, t);
    this.index = i;
    const x = (data.t[i] - data.t0) / (data.t1 - data.t0);
    const y = Math.min(1, Math.max(0, (data.y1 - data.v[i]) / (data.y1 - data.y0)));
    this.crosshair.setAttribute("d", `M${x * 4000} 0V1000`);
    this.dot.setAttribute("d", `M${x * 4000} ${y * 1000}h0`);
    this.tooltip.innerText = `${moment(data.t[i])}\n${words(data, i)}`;
    this.tooltip.hidden = false;
    const box = this.plot.getBoundingClientRect();
    const room = box.width - x * box.width;
    const left = room < this.tooltip.offsetWidth + 16 ? x * box.width - this.tooltip.offsetWidth - 12 : x * box.width + 12;
    const top = Math.max(0, y * box.height - this.tooltip.offsetHeight - 8);
    // On a phone neither side may have room: then it lies over the line rather than over the edge of the page.
    const within = Math.max(0, Math.min(left, box.width - this.tooltip.offsetWidth));
    this.tooltip.style.transform = `translate(${within}px, ${top}px)`;
  }

  hide() {
    this.index = -1;
    this.tooltip.hidden = true;
    this.crosshair.setAttribute("d", "");
    this.dot.setAttribute("d", "");
  }

  fillTable(place) {
    const table = document.createElement("table");
    const row = (section, tag, cells) => {
      const line = section.insertRow();
      for (const cell of cells) line.appendChild(document.createElement(tag)).textContent = cell;
    };
    row(table.createTHead(), "th", ["Time", "Average", "Minimum", "Maximum"]);
    const body = table.createTBody();
    const { data } = this;
    for (let i = data.t.length - 1; i >= 0; i--) row(body, "td", [moment(data.t[i]), ...[data.v[i], data.lo[i], data.hi[i]].map(number)]);
    place.replaceChildren(table);
  }
}

function showAll(t) {
  for (const chart of charts) chart.show(t);
}

function hideAll() {
  for (const chart of charts) chart.hide();
}

function start() {
  for (const chart of charts) if (!chart.figure.isConnected) charts.delete(chart);
  const known = new Set([...charts].map((chart) => chart.figure));
  for (const figure of document.querySelectorAll("[data-chart]"))
    if (!known.has(figure) && figure.querySelector(".plot")) charts.add(new Chart(figure));
}

document.addEventListener("lastbeat:swapped", start);
start();
