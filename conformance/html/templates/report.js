"use strict";
// Filters and sorts tables, shows the figures of a chart's nodes. The page is whole without it.

const rowsOf = (table) => [...table.tBodies[0].rows];

function keyOf(row, column) {
  const cell = row.cells[column];
  if (!cell) return null;
  if (cell.dataset.value !== undefined) return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  const text = cell.textContent.trim(), number = Number(text.replaceAll(",", ""));
  if (text === "-" || text === "") return null;
  return text === "∞" ? Infinity : Number.isNaN(number) ? text.toLowerCase() : number;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one === other ? 0 : one < other ? -1 : 1;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

function sort(table, heading) {
  const column = heading.cellIndex;
  const first = heading.classList.contains("number") ? "descending" : "ascending";
  const last = first === "descending" ? "ascending" : "descending";
  const order = heading.getAttribute("aria-sort") === first ? last : first;
  for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", order);
  const keyed = rowsOf(table).map((row) => [keyOf(row, column), row]);
  const sign = order === "ascending" ? 1 : -1;
  keyed.sort(([one], [other]) => {
    if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1; // nothing comes last
    return sign * compare(one, other);
  });
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    heading.setAttribute("aria-sort", "none");
    heading.tabIndex = 0;
    heading.addEventListener("click", () => sort(table, heading));
    heading.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(table, heading); }
    });
  }
}

function filter(form) {
  const table = document.getElementById(form.dataset.filters);
  const words = form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = new Map(form.wanted ?? []);
  for (const select of form.querySelectorAll("select")) {
    if (select.value !== "") chosen.set(select.dataset.by, select.value);
  }
  let shown = 0;
  for (const row of rowsOf(table)) {
    const text = row.textContent.toLowerCase();
    row.hidden = !(words.every((word) => text.includes(word))
      && [...chosen].every(([name, value]) => row.getAttribute(`data-${name}`) === value));
    if (!row.hidden) shown += 1;
  }
  const total = rowsOf(table).length;
  const output = form.querySelector("output");
  output.dataset.what ??= output.textContent.trim().replace(/^\S+\s*/, "");
  output.textContent = (shown === total ? `${total}` : `${shown} of ${total}`) + ` ${output.dataset.what}`;
}

// Put values into the filters of a form, and nothing else; one that no row has shows no row
function ask(form, values) {
  form.querySelector("input").value = "";
  form.wanted = values;
  for (const select of form.querySelectorAll("select")) {
    const value = values.find(([name]) => name === select.dataset.by)?.[1] ?? "";
    select.value = [...select.options].some((option) => option.value === value) ? value : "";
  }
  filter(form);
}

const forms = [...document.querySelectorAll("form.filters")];
for (const form of forms) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { form.wanted = []; filter(form); });
  form.addEventListener("reset", (event) => { event.preventDefault(); ask(form, []); });
}

// A cell of a matrix shows its cases: its attributes data-set-… are what is asked of the form it leads to
for (const link of document.querySelectorAll(".matrix a")) {
  link.addEventListener("click", () => {
    const form = document.querySelector(`${link.getAttribute("href")} form.filters`);
    const names = link.getAttributeNames().filter((name) => name.startsWith("data-set-"));
    if (form) ask(form, names.map((name) => [name.slice("data-set-".length), link.getAttribute(name)]));
  });
}

// A link never leads to a row that a filter hides
function reveal() {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!row || !row.hidden) return;
  ask(forms.find((form) => form.dataset.filters === row.closest("table").id), []);
  row.scrollIntoView({ block: "center" });
}
window.addEventListener("hashchange", reveal);

const shownFigure = (value) => typeof value === "string" ? value || "not told" : value === null ? "-" : value === 0 ? "0" : value.toPrecision(3);

function line(parent, text, tag = "div") {
  const made = document.createElement(tag);
  made.textContent = text; // never HTML: names come from outside
  parent.append(made);
}

function pointAt(figure, data) {
  const svg = figure.querySelector("svg"), figures = data.figures[figure.dataset.precision];
  const tip = document.createElement("div"), guide = document.createElement("div");
  tip.className = "tip"; guide.className = "guide"; tip.hidden = guide.hidden = true;
  figure.append(guide, tip);
  const [left, top, right, bottom] = data.frame, low = -0.5, high = data.nodes.length - 0.5;

  function nodeAt(event) {
    const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * scale;
    const step = Math.round(low + (x - left) / (right - left) * (high - low));
    return { step: Math.min(Math.max(step, 0), data.nodes.length - 1), scale };
  }

  svg.addEventListener("pointermove", (event) => {
    const { step, scale } = nodeAt(event), [node, op] = data.nodes[step];
    tip.replaceChildren();
    line(tip, node, "b");
    line(tip, figures.outcome ? `${op} · ${figures.outcome[step]}` : op);
    for (const name of Object.keys(figures)) {
      if (name !== "outcome") line(tip, `${name} ${shownFigure(figures[name][step])}`);
    }
    const x = (left + (step - low) / (high - low) * (right - left)) / scale, offset = svg.offsetTop;
    guide.style.cssText = `left:${x}px;top:${offset + top / scale}px;height:${(bottom - top) / scale}px`;
    tip.hidden = guide.hidden = false;
    tip.style.left = `${Math.max(0, Math.min(x - tip.offsetWidth / 2, figure.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${offset + top / scale - tip.offsetHeight - 6}px`; // above the axes, so that it hides nothing
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = guide.hidden = true; });
  svg.addEventListener("click", (event) => {
    const anchor = data.nodes[nodeAt(event).step][2];
    if (anchor) location.hash = anchor;
  });
}

for (const figure of document.querySelectorAll("figure.along")) {
  const own = figure.querySelector("script") ?? figure.parentNode.querySelector(":scope > script");
  pointAt(figure, JSON.parse(own.textContent));
}
reveal();
