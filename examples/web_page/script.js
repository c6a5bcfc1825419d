// Keeps the page up with the service.
//
// A browser has six connections for a host on HTTP/1.1, over all of its tabs. So there are two event streams at most, of
// clips that are on the screen of a page that is seen. The others are asked for together, now and then.

import { cards, isOpen, say, seen, showClip, showClips, showCount, showProgress } from "./cards.js";
import { fillFrom, startForm } from "./form.js";
import { element } from "./words.js";

const STREAMS = 2;
const ASK_MS = 3000;
const ASK_SELDOM_MS = 15000;

// ---- event streams

const streams = new Map(); // by the clip's id
const refused = new Map(); // when a stream was, by the same

function stop(id) {
  streams.get(id)?.close();
  streams.delete(id);
}

function follow() {
  const may = ({ clip: { id, status } }) => status === "running" && seen.has(id)
    && performance.now() - (refused.get(id) ?? -Infinity) > ASK_SELDOM_MS;
  const running = document.hidden ? [] : [...cards.values()].filter(may);
  const wanted = new Map(running.slice(0, STREAMS).map(({ clip }) => [clip.id, clip]));
  for (const id of streams.keys()) if (!wanted.has(id)) stop(id);
  for (const clip of wanted.values()) if (!streams.has(clip.id)) listen(clip);
}

function listen({ id, events }) {
  const stream = new EventSource(events);
  streams.set(id, stream);
  stream.addEventListener("progress", ({ data }) => {
    const card = cards.get(id);
    if (card && isOpen(card)) showProgress(card.node, { ...JSON.parse(data), status: "running" });
  });
  stream.addEventListener("end", () => {
    stop(id); // else the browser opens it again
    refresh();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return; // the browser opens it again
    stop(id);
    refused.set(id, performance.now());
    refresh();
  });
}

// ---- the list

let version = 0; // grows with what is sent; a list that was asked for before is out of date
let timer = 0;
let refreshing = false;
let oncemore = false;

async function refresh() {
  oncemore = refreshing;
  if (refreshing) return;
  refreshing = true;
  clearTimeout(timer);
  let wait = ASK_MS;
  try {
    const asked = version;
    const answer = await fetch("/api/clips");
    if (!answer.ok) throw new Error((await answer.json()).message);
    const { clips } = await answer.json();
    if (asked === version) {
      showClips(clips);
      showCount();
      follow();
    } else oncemore = true;
    element("link").textContent = "";
    wait = untilNext();
  } catch (error) {
    const known = error instanceof TypeError || error instanceof SyntaxError ? "" : error.message;
    tellOnce(`${known || "The service does not answer."} Trying again …`);
  }
  refreshing = false;
  if (oncemore) refresh();
  else timer = setTimeout(refresh, wait);
}

function tellOnce(text) {
  if (element("link").textContent !== text) element("link").textContent = text;
}

function untilNext() {
  const others = [...cards.values()].some((card) => isOpen(card) && !streams.has(card.clip.id));
  return others && !document.hidden ? ASK_MS : ASK_SELDOM_MS;
}

document.addEventListener("visibilitychange", () => {
  follow();
  if (!document.hidden) refresh();
});
element("clips").addEventListener("seen", follow);
element("clips").addEventListener("again", ({ detail }) => fillFrom(detail));
startForm((clip) => {
  version += 1;
  if (clip) {
    say("Taken: the clip is the first of the list.");
    showClip(clip, 0).scrollIntoView({ block: "nearest" });
    showCount();
  }
  refresh();
});
refresh();
