// The form: what can be chosen, what it costs, and what is wrong with it, each beside its field.

import { cost, element, size, write } from "./words.js";

const FIELDS = ["picture", "prompt", "model_name", "mode", "duration", "sound"];
const AGAIN_MS = 3000;

let options = { models: [], upload_bytes: Infinity, prompt_letters: Infinity };

// ---- options, and the price before

function choose(select, rows) {
  const before = select.value;
  select.replaceChildren(...rows.map(([value, text]) => new Option(text, value)));
  if (rows.some(([value]) => String(value) === before)) select.value = before;
}

const modelNow = () => options.models.find((each) => each.name === element("model_name").value);
const modeNow = () => modelNow()?.modes.find((each) => (each.mode ?? "") === element("mode").value);

function fitOptions() {
  choose(element("mode"), (modelNow()?.modes ?? []).map(({ mode, size: pixels }) =>
    [mode ?? "", [mode ?? "the only one", pixels && `(${pixels})`].filter(Boolean).join(" ")]));
  choose(element("duration"), (modeNow()?.durations ?? []).map((each) => [each, `${each} seconds`]));
  const silent = !modeNow()?.sound;
  element("sound").disabled = silent;
  if (silent) element("sound").checked = false;
  element("sound-hint").hidden = !silent || !modeNow();
}

function chosenOptions() {
  const [model_name, mode, duration] = ["model_name", "mode", "duration"].map((id) => element(id).value);
  return { model_name, mode, duration, sound: String(element("sound").checked) };
}

let asking = new AbortController();

async function showPrice() {
  asking.abort(); // what comes late must not overwrite what was asked for later
  asking = new AbortController();
  const { signal } = asking;
  try {
    const answer = await fetch(`/api/price?${new URLSearchParams(chosenOptions())}`, { signal });
    const price = await answer.json();
    if (signal.aborted) return;
    element("price").textContent = answer.ok ? cost(price) || "The price is not known" : price.message;
  } catch {
    if (!signal.aborted) element("price").textContent = "";
  }
}

async function loadOptions() {
  try {
    const answer = await fetch("/api/options");
    if (!answer.ok) throw new Error(answer.statusText);
    options = await answer.json();
  } catch {
    setTimeout(loadOptions, AGAIN_MS);
    return;
  }
  choose(element("model_name"), options.models.map(({ name }) => [name, name]));
  element("picture-hint").textContent =
    `JPEG or PNG, at least 300 pixels on each side, at most ${size(options.upload_bytes)}`;
  fitOptions();
  countLetters();
  showPrice();
}

function countLetters() {
  const count = [...element("prompt").value].length;
  const near = count > options.prompt_letters * 0.8;
  write(element("prompt-hint"), near ? `${count} of ${options.prompt_letters} characters` : "");
}

// ---- problems

function showProblem(field, text) {
  write(element(`${field}-problem`), text);
  if (text) element(field).setAttribute("aria-invalid", "true");
  else element(field).removeAttribute("aria-invalid");
}

function showProblems({ message = "", problems = [] }) {
  for (const field of FIELDS) {
    showProblem(field, problems.filter((each) => each.field === field).map((each) => each.message).join("\n"));
  }
  const besides = problems.filter(({ field }) => !FIELDS.includes(field))
    .map((each) => (each.field ? `${each.field}: ${each.message}` : each.message));
  write(element("refusal"), besides.length || !problems.length ? [message, ...besides].join("\n") : "");
  const first = FIELDS.find((field) => element(field).hasAttribute("aria-invalid"));
  if (first) element(first).focus();
}

// What would be refused after a long upload is said before it.
function problemsBefore() {
  const [file] = element("picture").files;
  if (!file) return [{ field: "picture", message: "Choose a picture first." }];
  if (file.size <= options.upload_bytes) return [];
  const message = `This file has ${size(file.size)}; at most ${size(options.upload_bytes)} are taken.`;
  return [{ field: "picture", message }];
}

// ---- the picture

function showPicture() {
  const [file] = element("picture").files;
  const preview = element("preview");
  URL.revokeObjectURL(preview.src);
  preview.removeAttribute("src");
  preview.hidden = true;
  element("chosen").textContent = file ? file.name : "Choose a picture";
  element("how").textContent = file ? size(file.size) : "or drop it here";
  const [problem] = file ? problemsBefore() : [];
  showProblem("picture", problem?.message ?? "");
  element("picture-hint").hidden = Boolean(file) && !problem;
  if (!file || problem) return;
  preview.onload = () => {
    preview.hidden = false;
    element("how").textContent = `${preview.naturalWidth} × ${preview.naturalHeight}, ${size(file.size)}`;
  };
  preview.onerror = () => {
    element("picture-hint").hidden = false;
    showProblem("picture", "This file cannot be shown: it is no picture, or it is damaged.");
  };
  preview.src = URL.createObjectURL(file);
}

function take(files) {
  const one = new DataTransfer();
  one.items.add(files[0]);
  element("picture").files = one.files;
  key = null;
  showPicture();
  if (files.length > 1) showProblem("picture", `One picture makes one clip: this is the first of ${files.length}.`);
}

// Also beside the field: else the browser would leave the page to show the file.
function dragged(event) {
  const files = event.dataTransfer?.types.includes("Files");
  document.body.classList.toggle("over", files && event.type === "dragover");
  if (files) event.preventDefault();
}

function dropped(event) {
  dragged(event);
  const files = event.dataTransfer ?? event.clipboardData;
  if (files?.files.length) take(files.files);
}

// ---- sending

// Names one press of the button. It is kept while it is not known whether it was taken: sent once more as it was, the
// form makes nothing twice.
let key = null;
let sending = false;

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing over plain HTTP
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Null: not sending.
function showSent(share) {
  sending = share !== null;
  const send = element("send");
  send.setAttribute("aria-disabled", String(sending)); // one that is `disabled` would lose the focus
  if (!sending) send.textContent = "Make the clip";
  else send.textContent = share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Sent, checking";
}

// XMLHttpRequest, because `fetch` does not tell how much has been sent.
function post(body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/clips");
    request.setRequestHeader("Idempotency-Key", key);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => showSent(total ? loaded / total : 0);
    request.upload.onload = () => showSent(1);
    request.onload = () => resolve({ status: request.status, answer: request.response });
    request.onerror = reject;
    request.send(body);
  });
}

// Gives the clip, or null with the reasons shown.
async function send() {
  key ??= newKey();
  const body = new FormData();
  const fields = { prompt: element("prompt").value, ...chosenOptions() };
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("picture", element("picture").files[0]);
  try {
    const { status, answer } = await post(body);
    if (status < 500) key = null;
    if (status < 300 && answer) return answer;
    showProblems(answer ?? { message: `The service answers with ${status}. Try again in a moment.` });
  } catch {
    const message = "The picture was not sent, or the answer was lost. Try again: nothing is made or paid twice.";
    showProblems({ message });
  }
  return null;
}

/** Fills the form with what a clip was made of. */
export async function fillFrom(clip) {
  element("prompt").value = clip.prompt;
  for (const name of ["model_name", "mode", "duration"]) { // each offers what goes with the one before
    element(name).value = clip[name] ?? "";
    fitOptions();
  }
  element("sound").checked = clip.sound;
  key = null;
  countLetters();
  showPrice();
  element("prompt").focus();
  try {
    const answer = await fetch(clip.picture);
    if (!answer.ok) throw new Error(answer.statusText);
    const picture = await answer.blob();
    const ending = picture.type === "image/png" ? "png" : "jpg";
    take([new File([picture], `picture.${ending}`, { type: picture.type })]);
  } catch {
    showProblem("picture", "The picture cannot be had again: choose it once more.");
  }
}

/** Brings the form to life; `answered` is called after each answer, with the new clip or null. */
export function startForm(answered) {
  element("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (sending) return;
    const problems = problemsBefore();
    showProblems({ problems });
    if (problems.length) return;
    write(element("refusal"), "");
    showSent(0);
    const clip = await send();
    showSent(null);
    answered(clip);
  });
  element("form").addEventListener("input", ({ target }) => {
    key = null;
    if (target.id === "picture") showPicture();
    else showProblem(target.id, "");
    if (target.id === "prompt") countLetters();
    else if (target.id !== "picture") {
      fitOptions();
      showPrice();
    }
  });
  for (const kind of ["dragover", "dragleave"]) document.addEventListener(kind, dragged);
  for (const kind of ["drop", "paste"]) document.addEventListener(kind, dropped);
  showPicture(); // a browser may have kept it over a reload
  loadOptions();
}
