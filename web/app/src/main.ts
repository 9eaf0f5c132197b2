/** The page: chosen photos, the comparison, the settings and the download. */

import { record } from "virtual:model";
import { Colorizer } from "./colorizer";
import type { Options } from "./core/colorize";
import { filled, language, messages, translate } from "./messages";
import type { Failure, Format, Reply } from "./protocol";

interface Photo {
  readonly file: File;
  readonly url: string;
  readonly button: HTMLButtonElement;
  saturation: string;
  warmth: string;
}

function element<Type extends HTMLElement>(id: string): Type {
  return document.getElementById(id) as Type;
}

const controls = element<HTMLFormElement>("controls");
const files = element<HTMLInputElement>("files");
const colors = element<HTMLFieldSetElement>("colors");
const saving = element<HTMLFieldSetElement>("saving");
const saturation = element<HTMLInputElement>("saturation");
const warmth = element<HTMLInputElement>("warmth");
const format = element<HTMLSelectElement>("format");
const status = element("status");
const slider = element("slider");
const before = element<HTMLImageElement>("before");
const after = element<HTMLCanvasElement>("after");
const cut = element<HTMLInputElement>("cut");
const list = element("photos");

const photos: Photo[] = [];
let current: Photo | undefined;
/** The number of the newest job, until its reply has come. */
let running: number | undefined;
/** Whether the settings have changed since the newest job began. */
let stale = false;

translate(document);
cut.setAttribute("aria-label", messages.comparison);
element("license").textContent = filled(messages.license, { name: record.name, license: record.license ?? "" });
element("model").textContent = [record.title, record.notice, record.failures].filter(Boolean).join(" ");
report(messages.loading);
const colorizer = new Colorizer(onReply);
showValues();

function report(sentence: string, bad = false): void {
  status.textContent = sentence;
  status.classList.toggle("bad", bad);
}

function name(): string {
  return current?.file.name ?? "";
}

function options(): Options {
  return { saturation: Number(saturation.value), warmth: Number(warmth.value), hints: [] };
}

function onReply(reply: Reply): void {
  if (reply.type === "loaded") {
    if (current === undefined) report(reply.threads ? messages.ready : messages.readyOneThread);
    return;
  }
  if (reply.type === "failed" && reply.id === undefined) {
    report(filled(messages.failures.model, {}), true);
    return;
  }
  if (reply.id !== running) {
    if (reply.type === "image") reply.bitmap.close();
    return; // another photo was chosen meanwhile
  }
  if (reply.type === "progress") onProgress(reply);
  else finish(reply);
}

function onProgress({ stage, share }: Extract<Reply, { type: "progress" }>): void {
  report(filled(messages[stage], { name: name(), percent: Math.round(100 * share) }));
}

function finish(reply: Exclude<Reply, { type: "loaded" | "progress" }>): void {
  running = undefined;
  if (reply.type === "failed") onFailure(reply.failure, reply.detail);
  else if (reply.type === "image") onImage(reply);
  else onFile(reply.file);
  if (stale && current !== undefined) adjust();
}

function onImage({ bitmap, notes, seconds }: Extract<Reply, { type: "image" }>): void {
  const { width, height } = bitmap;
  after.getContext("bitmaprenderer")?.transferFromImageBitmap(bitmap);
  current?.button.classList.remove("failed");
  slider.hidden = false;
  colors.disabled = saving.disabled = false;
  const done = filled(messages.done, { name: name(), width, height, seconds: seconds.toLocaleString(language, { maximumFractionDigits: 1 }) });
  report([done, ...notes.map((note) => messages.notes[note])].join(" "));
}

function onFailure(failure: Failure, detail: string): void {
  report(filled(messages.failures[failure], { name: name(), detail }), true);
  current?.button.classList.add("failed");
  saving.disabled = slider.hidden;
}

function onFile(file: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${name().replace(/\.[^.]*$/, "")}.${messages.suffix}.${file.type === "image/png" ? "png" : "jpg"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  saving.disabled = false;
  report(filled(messages.saved, { name: link.download }));
}

function add(chosen: Iterable<File>): void {
  const first = photos.length;
  for (const file of chosen) photos.push(listed(file));
  const photo = photos[first];
  if (photo !== undefined) show(photo);
}

function listed(file: File): Photo {
  const button = document.createElement("button");
  button.type = "button";
  const image = document.createElement("img");
  image.src = URL.createObjectURL(file);
  image.alt = "";
  image.addEventListener("error", () => image.classList.add("missing"));
  const label = document.createElement("span");
  label.textContent = file.name;
  button.append(image, label);
  const item = document.createElement("li");
  item.append(button);
  list.append(item);
  const photo: Photo = { file, url: image.src, button, saturation: "1", warmth: "0" };
  button.addEventListener("click", () => show(photo));
  return photo;
}

/** Opens a photo in the worker and shows it. */
function show(photo: Photo): void {
  current = photo;
  for (const { button } of photos) button.setAttribute("aria-current", String(button === photo.button));
  colors.disabled = saving.disabled = true;
  slider.hidden = true;
  before.src = photo.url;
  saturation.value = photo.saturation;
  warmth.value = photo.warmth;
  showValues();
  stale = false;
  running = colorizer.send({ type: "colorize", file: photo.file, options: options() });
}

/** Renders the open photo with the present settings, or later if the worker is busy. */
function adjust(): void {
  stale = running !== undefined;
  saving.disabled = true;
  if (!stale) running = colorizer.send({ type: "adjust", options: options() });
}

function changed(): void {
  if (current === undefined) return;
  current.saturation = saturation.value;
  current.warmth = warmth.value;
  showValues();
  adjust();
}

function showValues(): void {
  for (const output of controls.querySelectorAll("output")) {
    output.value = Number(element<HTMLInputElement>(output.htmlFor.value).value).toLocaleString(language);
  }
}

function download(): void {
  if (running !== undefined) return;
  saving.disabled = true;
  report(messages.encoding);
  running = colorizer.send({ type: "encode", format: format.value as Format, statement: messages.statement });
}

function imagesOf(transfer: DataTransfer | null): File[] {
  return Array.from(transfer?.files ?? []);
}

controls.addEventListener("submit", (event) => event.preventDefault());
files.addEventListener("change", () => {
  add(files.files ?? []);
  files.value = ""; // the same file can be chosen again
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  add(imagesOf(event.dataTransfer));
});
document.addEventListener("paste", (event) => add(imagesOf(event.clipboardData)));
cut.addEventListener("input", () => slider.style.setProperty("--cut", `${cut.value}%`));
saturation.addEventListener("input", changed);
warmth.addEventListener("input", changed);
element("reset").addEventListener("click", () => {
  saturation.value = "1";
  warmth.value = "0";
  changed();
});
element("download").addEventListener("click", download);
