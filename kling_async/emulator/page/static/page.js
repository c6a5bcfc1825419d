"use strict";
// Polls the state and shows it. Users' input is only ever set as text.

const BUSY_MS = 500;
const IDLE_MS = 1500;
const cards = new Map();
const element = (id) => document.getElementById(id);

function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Updates only what has changed, so that videos keep playing and selections remain.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

function counts(object) {
  return Object.entries(object).map(([name, count]) => `${name} ${count}`).join(", ");
}

function showAccount(account) {
  const running = Object.values(account.running).reduce((sum, count) => sum + count, 0);
  const packs = Object.entries(account.other_packs).map(([name, pack]) =>
    `; ${name} pack: ${pack.balance} units, ${pack.charged} charged`);
  const rows = {
    Balance: [`${account.balance} units`, [`${account.charged} charged`, ...packs].join("")],
    "In flight": [`${running}`, counts(account.running) || `${account.concurrency} slots for each model`],
    Slots: [`${account.concurrency}`, "at once for each model"],
    Tasks: [`${account.created} created`, `${account.delivered} delivered`],
    Requests: [`${Object.values(account.requests).reduce((a, b) => a + b, 0)}`, counts(account.requests)],
    Refused: [`${Object.values(account.refused).reduce((a, b) => a + b, 0)}`, counts(account.refused)],
  };
  const target = element("account");
  if (!target.children.length) {
    for (const name of Object.keys(rows)) {
      target.append(made("div", {}, made("dt", { textContent: name }),
        made("dd", {}, made("span"), made("small"))));
    }
  }
  Object.values(rows).forEach(([value, note], index) => {
    const cell = target.children[index].querySelector("dd");
    write(cell.children[0], value);
    write(cell.children[1], note);
  });
}

function insteadOfPicture(task) {
  const [material] = (task.parameters.contents || []).map((item) => item.url).filter(Boolean);
  const image = task.parameters.image || task.parameters.image_tail || material;
  if (!image) return task.prompt.slice(0, 200);
  return String(image).startsWith("http") ? "the image was given by URL" : "no picture of the image here";
}

function player(task, [name, file], picture) {
  if (/\.(mp3|wav)$/.test(file)) {
    return made("figure", { className: "sound" }, made("figcaption", { textContent: name }),
      made("audio", { src: file, controls: true, preload: "metadata" }));
  }
  if (!file.endsWith(".mp4")) return made("a", { href: file }, made("img", { src: file, alt: `the result: ${name}` }));
  const video = made("video", {
    src: file, controls: true, loop: true, playsInline: true, preload: "none", poster: picture,
  });
  video.style.aspectRatio = `${task.width} / ${task.height}`;
  return video;
}

const isMarked = ([name]) => name.includes("watermark");

function stage(task, card) {
  const target = card.querySelector(".stage");
  const [picture = ""] = Object.values(task.images);
  const files = Object.entries(task.files).filter((file) => !isMarked(file));
  const wanted = files.length ? "files" : picture || "none";
  if (target.dataset.shows === wanted) return;
  target.dataset.shows = wanted;
  target.classList.toggle("several", files.filter(([, file]) => file.endsWith(".png")).length > 1);
  if (files.length) {
    target.replaceChildren(...files.map((file) => player(task, file, picture)));
  } else if (picture) {
    target.replaceChildren(made("img", { src: picture, alt: "the submitted image" }));
  } else {
    target.replaceChildren(made("span", { textContent: insteadOfPicture(task) }));
  }
}

function newCard(task) {
  const card = element("task").content.firstElementChild.cloneNode(true);
  card.id = `task-${task.task_id}`;
  const seconds = task.seconds ? `${task.seconds} s` : "";
  const title = [task.endpoint, `${task.model_name} ${task.mode}`.trim(), seconds];
  write(card.querySelector(".model"), title.filter(Boolean).join(" · "));
  write(card.querySelector(".prompt"), task.prompt);
  write(card.querySelector("pre"), JSON.stringify(task.parameters, null, 2));
  const others = Object.entries(task.images);
  if (others.length > 1) {
    card.querySelector(".inputs").append(...others.map(([name, source]) => made("figure", {},
      made("img", { src: source, alt: "" }), made("figcaption", { textContent: name }))));
  }
  return card;
}

function showTask(task) {
  let card = cards.get(task.task_id);
  if (!card) {
    card = newCard(task);
    cards.set(task.task_id, card);
  }
  const over = task.status === "succeed" || task.status === "failed";
  card.dataset.status = task.status;
  write(card.querySelector(".status"), task.status);
  write(card.querySelector(".message"), task.message);
  const progress = card.querySelector("progress");
  progress.hidden = over;
  progress.value = task.progress;
  const facts = [task.task_id, task.external_task_id, age(task.age), `${task.units} units`,
    task.width ? `${task.width} × ${task.height}` : "", task.delivered ? `delivered ${task.delivered}×` : ""];
  write(card.querySelector(".facts"), facts.filter(Boolean).join(" · "));
  stage(task, card);
  linkOthers(task, card);
  const list = card.querySelector(".callbacks");
  task.callbacks.slice(list.children.length).forEach((note) => {
    const answer = note.http_status === null ? note.error : `HTTP ${note.http_status}`;
    const taken = note.http_status !== null && note.http_status < 300;
    list.append(made("li", {
      textContent: `callback ${note.status} → ${note.url}: ${answer}`, className: taken ? "" : "lost",
    }));
  });
  return card;
}

function linkOthers(task, card) {
  const others = Object.entries(task.files).filter(isMarked);
  if (!others.length || card.querySelector(".others")) return;
  const links = others.flatMap(([name, file]) => [made("a", { href: file, textContent: name }), " "]);
  card.querySelector(".facts").after(made("p", { className: "facts others" }, "further files: ", ...links));
}

function show(state) {
  write(element("notice"), state.notice);
  element("notice").hidden = !state.notice;
  showAccount(state.account);
  element("empty").hidden = state.tasks.length > 0;
  element("older").hidden = !state.older;
  write(element("older"), `and ${state.older} older`);
  const target = element("tasks");
  const present = new Set(state.tasks.map((task) => task.task_id));
  for (const [id, card] of cards) {
    if (!present.has(id)) {
      card.remove();
      cards.delete(id);
    }
  }
  state.tasks.forEach((task, index) => {
    const card = showTask(task);
    // A moved node stops playing, so each is inserted once.
    if (!card.isConnected) target.insertBefore(card, target.children[index] || null);
  });
}

async function keepUp() {
  let wait = IDLE_MS;
  try {
    if (!document.hidden) {
      const answer = await fetch("/_emulator/state", { cache: "no-store" });
      const state = await answer.json();
      show(state);
      if (state.tasks.some((task) => task.status === "submitted" || task.status === "processing")) wait = BUSY_MS;
      write(element("link"), location.host);
      element("link").className = "";
    }
  } catch {
    write(element("link"), "the emulator does not answer");
    element("link").className = "lost";
  }
  setTimeout(keepUp, wait);
}

element("base").textContent = location.origin;
keepUp();
