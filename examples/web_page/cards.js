// The clips of this session, as cards, and the one video that is open.

import { age, cost, element, write } from "./words.js";

const STATUS = { waiting: "In line", running: "Being made", done: "Done", failed: "Failed", unknown: "Unknown" };

/** What is shown: `{ clip, node }` by the clip's id. */
export const cards = new Map();
/** The ids of those that are on the screen. */
export const seen = new Set();

export const isOpen = ({ clip }) => clip.status === "waiting" || clip.status === "running";

const onScreen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target.dataset.id);
    else seen.delete(target.dataset.id);
  }
  element("clips").dispatchEvent(new Event("seen"));
});

/** Says something to those who do not see it. */
export function say(text) {
  element("news").textContent = text;
}

const named = (clip) => (clip.prompt ? `“${clip.prompt.slice(0, 60)}”` : "without a prompt");

function facts(clip) {
  const made = new Date(clip.created_at);
  const today = made.toDateString() === new Date().toDateString();
  const when = today ? made.toLocaleTimeString([], { timeStyle: "short" })
    : made.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const parts = [clip.model_name, clip.mode, `${clip.duration} s`, clip.sound ? "with sound" : "", cost(clip), when];
  return parts.filter(Boolean).join(" · ");
}

function newCard(clip) {
  const node = element("clip").content.firstElementChild.cloneNode(true);
  node.dataset.id = clip.id;
  const picture = node.querySelector(".play img");
  picture.src = clip.picture;
  picture.addEventListener("error", () => picture.remove());
  node.querySelector(".play").addEventListener("click", () => openVideo(cards.get(clip.id)));
  node.querySelector(".again").addEventListener("click", () =>
    element("clips").dispatchEvent(new CustomEvent("again", { detail: cards.get(clip.id).clip })));
  node.querySelector(".save").download = `clip-${clip.id.slice(0, 8)}.mp4`;
  onScreen.observe(node);
  return node;
}

export function showClip(clip, index) {
  const known = cards.get(clip.id);
  const node = known?.node ?? newCard(clip);
  cards.set(clip.id, { clip, node });
  node.dataset.status = clip.status;
  write(node.querySelector(".status"), STATUS[clip.status] ?? clip.status);
  write(node.querySelector(".message"), clip.message ?? "");
  write(node.querySelector(".prompt"), clip.prompt ?? "");
  write(node.querySelector(".facts"), facts(clip));
  const play = node.querySelector(".play") ?? opened.play;
  play.disabled = !clip.video;
  play.ariaLabel = clip.video ? `Play the clip ${named(clip)}` : `The picture of the clip ${named(clip)}`;
  const save = node.querySelector(".save");
  save.hidden = !clip.video;
  if (clip.video) save.href = clip.video;
  showProgress(node, clip);
  if (known && isOpen(known) && !isOpen({ clip })) {
    say(`${STATUS[clip.status]}: the clip ${named(clip)}. ${clip.message ?? ""}`);
  }
  // A node that is moved stops playing, so each is put in place once.
  if (!node.isConnected) element("clips").insertBefore(node, element("clips").children[index] ?? null);
  return node;
}

export function showProgress(node, { status, share, seconds_left: left }) {
  node.querySelector(".progress").hidden = status !== "waiting" && status !== "running";
  const bar = node.querySelector("progress");
  bar.hidden = status !== "running";
  bar.value = Math.max(share ?? 0, bar.value); // a stream may be ahead of a list
  const words = node.querySelector(".left");
  if (status === "waiting") write(words, "It begins when there is room for it.");
  else write(words, left == null ? "" : left > 0 ? `about ${age(left)} left` : "any moment");
}

export function showClips(clips) {
  const present = new Set(clips.map(({ id }) => id));
  for (const [id, { node }] of cards) {
    if (present.has(id)) continue;
    if (node.contains(opened?.video)) closeVideo();
    onScreen.unobserve(node);
    node.remove();
    cards.delete(id);
    seen.delete(id);
  }
  clips.forEach(showClip);
}

/** What depends on all of them. */
export function showCount() {
  element("empty").hidden = cards.size > 0;
  const count = [...cards.values()].filter(isOpen).length;
  document.title = count ? `(${count}) Picture to clip` : "Picture to clip";
}

// ---- videos: one at a time, because each that is open may hold a connection

let opened = null;

function openVideo({ clip, node }) {
  if (opened) closeVideo();
  node.querySelector(".stage p")?.remove();
  const play = node.querySelector(".play");
  const video = Object.assign(document.createElement("video"), {
    src: clip.video, controls: true, autoplay: true, loop: true, playsInline: true, poster: clip.picture,
    ariaLabel: `The clip ${named(clip)}`,
  });
  video.style.aspectRatio = `${play.offsetWidth} / ${play.offsetHeight}`; // until its own is known
  video.addEventListener("loadedmetadata", () => { video.style.aspectRatio = ""; });
  video.addEventListener("error", () => sayWhy(video, clip));
  play.replaceWith(video);
  opened = { play, video };
  video.focus();
}

function closeVideo() {
  const { play, video } = opened;
  opened = null;
  video.replaceWith(play);
  video.removeAttribute("src");
  video.load(); // ends its connection
}

async function sayWhy(video, clip) {
  if (opened?.video !== video) return;
  const stage = video.parentElement;
  const hadFocus = document.activeElement === video;
  const { play } = opened;
  closeVideo();
  if (hadFocus) play.focus();
  const words = Object.assign(document.createElement("p"), { role: "alert", textContent: "The video cannot be played." });
  stage.append(words);
  try {
    const answer = await fetch(clip.video, { headers: { Range: "bytes=0-0" } });
    if (!answer.ok) words.textContent += ` ${(await answer.text()).slice(0, 300)}`;
  } catch {
    words.textContent += " The service does not answer; try again in a moment.";
  }
}
