/** The page of `chromalab serve`: the server colorizes. */

import { thumbnail, tilesOf } from "./bitmaps.js";
import { create, element, setText } from "./dom.js";
import { WorkError } from "./failures.js";
import { filled, messages } from "./messages.js";
import { Page } from "./page.js";
/** @import { Model, Progress, Rendered, RenderSize, Source } from "./types" */

/** Number of plausible versions that the page offers. */
const VERSIONS = 4;
/** A busy server gets a photo so often, and after at most this time. */
const MOST_ATTEMPTS = 12;
const LONGEST_WAIT_S = 30;

/** @typedef {Model & { versions: boolean }} ServerModel */

/** The network, the version and the tone of the results: settings for all photos. */
class NetworkSettings {
  #models;
  #network = element("network", HTMLSelectElement);
  #version = element("version", HTMLSelectElement);
  #tone = element("tone", HTMLInputElement);

  /** @param {readonly ServerModel[]} models */
  constructor(models) {
    this.#models = models;
    for (const { name } of models) this.#network.append(create("option", { value: name, textContent: name }));
    for (let number = 0; number < VERSIONS; number++) this.#version.append(create("option", { value: String(number), textContent: String(number + 1) }));
    element("server").hidden = false;
    for (const setting of [this.#network, this.#version, this.#tone]) setting.addEventListener("change", () => page.renew());
  }

  /** Returns the network in use. */
  get model() {
    return /** @type {ServerModel} */ (this.#models[this.#network.selectedIndex]);
  }

  update() {
    this.#version.disabled = !this.model.versions;
    if (this.#version.disabled) this.#version.value = "";
    const names = this.#models.filter(({ versions }) => versions).map(({ name }) => name);
    setText(element("versions"), this.model.versions ? "" : filled(messages.versionsNote, { names: names.join(", ") }));
    element("version-row").hidden = names.length === 0;
  }

  /** Returns the fields of a request. */
  fields() {
    return { model: this.model.name, sample: this.#version.value, keep_tone: this.#tone.checked };
  }
}

/** Colorizes over HTTP. */
class Server {
  quick = false;
  longestSide = 10_000;
  #rendering = new AbortController();

  /**
   * @param {Source} source
   * @param {Progress} progress
   */
  async preview(source, progress) {
    progress("predicting");
    const { file, notes } = await post(source, { preview: true });
    return { thumbnail: await thumbnail(await createImageBitmap(file)), notes };
  }

  /**
   * @param {Source} source
   * @param {RenderSize} size
   * @param {Progress} progress
   * @returns {Promise<Rendered>}
   */
  async render(source, size, progress) {
    progress("predicting");
    const started = performance.now();
    this.#rendering = new AbortController();
    const fields = size === "full" ? { format: "jpeg" } : { preview: true };
    const { file, notes, width, height } = await post(source, fields, this.#rendering.signal);
    const bitmap = await createImageBitmap(file);
    const seconds = (performance.now() - started) / 1000;
    const tiles = size === "full" ? await tilesOf(bitmap) : [{ x: 0, y: 0, width, height, bitmap }];
    return { width, height, tiles, notes, thumbnail: size === "full" ? undefined : await thumbnail(bitmap), seconds };
  }

  /**
   * @param {Source} source
   * @param {string} format
   * @param {Progress} progress
   */
  encode(source, format, progress) {
    progress("encoding");
    return post(source, { format: format.replace("image/", "") });
  }

  stop() {
    this.#rendering.abort();
  }

  close() {}
}

/**
 * Lets the server colorize a photo.
 *
 * @param {Source} source
 * @param {Readonly<Record<string, unknown>>} fields of the request, beside those of the settings.
 * @param {AbortSignal} [signal]
 */
async function post({ file, options: { saturation, warmth, hints } }, fields, signal) {
  const known = hints.map(({ x, y, color }) => ({ x: 100 * x, y: 100 * y, unit: "percent", color }));
  const form = new FormData();
  form.append("file", file);
  for (const [name, value] of Object.entries({ ...network.fields(), saturation, warmth, hints: JSON.stringify(known), ...fields })) {
    if (value !== "") form.append(name, String(value));
  }
  try {
    const response = await sent(form, signal ?? null);
    if (!response.ok) throw new WorkError(response.status < 500 ? "refused" : "unfinished", await detailOf(response));
    const { width, height, warnings } = JSON.parse(response.headers.get("X-Chromalab") ?? "");
    return { file: await response.blob(), notes: warnings, width, height };
  } catch (error) {
    if (error instanceof WorkError) throw error;
    const readable = await file.slice(0, 1).arrayBuffer().catch(() => undefined);
    throw new WorkError(readable === undefined ? "moved" : "server", String(error));
  }
}

/**
 * Sends a form, and again while the server is busy, when it asks for that.
 *
 * @param {FormData} body
 * @param {AbortSignal | null} signal
 */
async function sent(body, signal) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch("/v1/colorize", { method: "POST", body, signal });
    const wait_s = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 || !(wait_s > 0) || attempt === MOST_ATTEMPTS) return response;
    await pause(1000 * Math.min(wait_s, LONGEST_WAIT_S), signal);
  }
}

/**
 * Waits, or fails as soon as the signal is aborted.
 *
 * @param {number} milliseconds
 * @param {AbortSignal | null} signal
 * @returns {Promise<void>}
 */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });
}

/** @param {Response} response */
async function detailOf(response) {
  const { detail } = await response.json().catch(() => ({}));
  return typeof detail === "string" ? detail : `status ${response.status}`;
}

element("files", HTMLInputElement).accept += ",.tif,.tiff,.avif,.heic"; // not all systems take them for images
const network = new NetworkSettings(await (await fetch("/v1/models")).json());
const page = new Page({
  colorizer: new Server(),
  intro: "introServer",
  formats: { "": "formatOfPhoto", "image/jpeg": "jpeg", "image/png": "png", "image/tiff": "tiff", "image/webp": "webp" },
  parts: [network],
  model: () => network.model,
});
page.status.say(() => messages.ready);
