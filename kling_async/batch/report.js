"use strict";
// Optional: the page works without it. Filters and sorts rows, and plays files in place instead of opening them.

const element = (id) => document.getElementById(id);
const body = element("rows").tBodies[0];
const rows = [...body.rows];
const buttons = [...document.querySelectorAll("#tools button")];
const texts = new Map();

function made(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Read lazily on the first search, so that a page with thousands of rows opens faster.
function textOf(row) {
  if (!texts.has(row)) {
    const parts = row.querySelectorAll(".id, .prompt, .error, .task");
    texts.set(row, [...parts].map((part) => part.textContent).join("\n").toLowerCase());
  }
  return texts.get(row);
}

function filter() {
  const status = buttons.find((button) => button.ariaPressed === "true").dataset.status;
  const words = element("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    const shown = (!status || row.dataset.status === status) && words.every((word) => textOf(row).includes(word));
    row.hidden = !shown;
    if (shown) count += 1;
    else close(row);
  }
  element("shown").textContent = count === rows.length ? "" : `${count.toLocaleString("en")} shown`;
  element("nothing").hidden = count > 0;
}

function order() {
  const name = element("order").value;
  const number = (row) => Number(row.dataset[name] ?? -1);
  body.append(...(name ? [...rows].sort((one, other) => number(other) - number(one)) : rows));
}

function player(link, poster, first) {
  const source = link.href;
  if (link.dataset.kind === "picture") return made("a", { href: source }, made("img", { src: source, alt: "" }));
  const tag = link.dataset.kind === "video" ? "video" : "audio";
  const media = made(tag, { src: source, controls: true, preload: "none", loop: tag === "video", playsInline: true });
  if (poster && tag === "video") media.poster = poster;
  media.addEventListener("error", () => media.replaceWith(made("p", { textContent: "This file cannot be played." })));
  if (first) media.autoplay = true;
  return media;
}

function open(row) {
  const links = [...row.querySelectorAll("a[data-kind]")];
  const poster = row.querySelector(".shot img")?.src;
  const back = made("button", { type: "button", textContent: "close" });
  back.addEventListener("click", () => close(row, true));
  row.classList.add("open");
  row.cells[0].append(
    made("div", { className: "viewer" }, ...links.map((link, index) => player(link, poster, index === 0)), back));
  row.querySelector(".viewer :is(video, audio, a)").focus({ preventScroll: true });
}

function close(row, back = false) {
  const viewer = row.querySelector(".viewer");
  if (!viewer) return;
  viewer.remove();
  row.classList.remove("open");
  if (back) row.querySelector(".shot").focus({ preventScroll: true });
}

body.addEventListener("click", (event) => {
  const shot = event.target.closest("a.shot");
  if (!shot || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const row = shot.closest("tr");
  if (!row.classList.contains("open")) open(row);
});
body.addEventListener("keydown", (event) => {
  const row = event.target.closest("tr.open");
  if (event.key === "Escape" && row) close(row, true);
});
// Play only one at a time.
body.addEventListener("play", (event) => {
  for (const media of body.querySelectorAll("video, audio")) if (media !== event.target) media.pause();
}, true);

for (const button of buttons) {
  button.addEventListener("click", () => {
    for (const each of buttons) each.ariaPressed = String(each === button);
    filter();
  });
}
element("search").addEventListener("input", filter);
element("order").addEventListener("change", order);
element("tools").hidden = false;
