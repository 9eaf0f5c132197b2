/** Downloads: the current photo, or all photos as a ZIP file. */

import { Archive, LARGEST_BYTES, resultName, uniqueName } from "./archive.js";
import { asWorkError } from "./failures.js";
import { create, element, setText } from "./dom.js";
import { recall, remember } from "./memory.js";
import { failureText, filled, messages, notesText } from "./messages.js";
/** @import { Photos } from "./photos.js" */
/** @import { Status } from "./status.js" */
/** @import { BackEnd, Job, Photo } from "./types" */

/** The address of a download is given back after this time, in which the browser has begun to save it. */
const RELEASE_MS = 60_000;

/**
 * A ZIP file that is being written.
 *
 * @typedef {object} Collection
 * @property {string} format
 * @property {Photo[]} remaining
 * @property {number} total
 * @property {Set<string>} names
 * @property {string[]} failed
 * @property {string[]} notes
 * @property {number} saved
 * @property {Archive} archive
 * @property {number} part
 */

export class Saving {
  #format = element("format", HTMLSelectElement);
  /** @type {Photo | undefined} */
  #single;
  /** @type {Collection | undefined} */
  #collection;
  #photos;
  #colorizer;
  #status;
  #refresh;

  /**
   * @param {Photos} photos
   * @param {BackEnd} backEnd
   * @param {Status} status
   * @param {() => void} refresh
   */
  constructor(photos, { colorizer, formats }, status, refresh) {
    this.#photos = photos;
    this.#colorizer = colorizer;
    this.#status = status;
    this.#refresh = refresh;
    this.#offer(formats);
    this.#format.addEventListener("change", () => remember("format", this.#format.value));
    element("download").addEventListener("click", () => this.#saveCurrent());
    element("download-all").addEventListener("click", () => this.#saveAll());
    element("cancel").addEventListener("click", () => this.#cancel());
    element("controls").addEventListener("submit", (event) => event.preventDefault());
  }

  /** @param {BackEnd["formats"]} formats */
  #offer(formats) {
    for (const [value, name] of Object.entries(formats)) {
      const option = create("option", { value });
      option.dataset["message"] = name;
      this.#format.append(option);
    }
    const remembered = recall("format");
    if (remembered !== null && remembered in formats) this.#format.value = remembered;
  }

  update() {
    const { current, items } = this.#photos;
    const collection = this.#collection;
    const busy = collection !== undefined || this.#single !== undefined;
    element("saving", HTMLFieldSetElement).disabled = busy || items.length === this.#photos.failed;
    element("download", HTMLButtonElement).disabled = current === undefined || current.thumbnail === undefined;
    element("download-all").hidden = items.length < 2;
    element("archive").hidden = collection === undefined;
    if (collection === undefined) return;
    const done = collection.total - collection.remaining.length;
    setText(element("archive-count"), filled(messages.archiving, { done, total: collection.total }));
    Object.assign(element("archive-progress"), { max: collection.total, value: done });
  }

  /** @returns {Job | undefined} */
  job() {
    const single = this.#single;
    const collection = this.#collection;
    if (single !== undefined) return () => this.#write(single);
    return collection === undefined ? undefined : () => this.#collect(collection);
  }

  #saveCurrent() {
    this.#single = this.#photos.current;
    this.#status.say(() => messages.encoding);
    this.#refresh();
  }

  #saveAll() {
    const { items } = this.#photos;
    const remaining = items.filter(({ state }) => state.name !== "failed");
    const failed = items.filter(({ state }) => state.name === "failed").map(({ file }) => file.name);
    const format = this.#format.value;
    const names = new Set();
    this.#collection = { format, remaining, names, total: remaining.length, failed, notes: [], saved: 0, archive: new Archive(), part: 1 };
    this.update();
    element("cancel").focus();
    this.#refresh();
  }

  #cancel() {
    this.#collection = undefined;
    this.#status.say(() => messages.canceled);
    this.#restoreFocus("download-all");
    this.#refresh();
  }

  /** @param {Photo} photo */
  async #write(photo) {
    const format = this.#format.value;
    try {
      const { file, notes } = await this.#encoded(photo, format);
      const name = resultName(photo.file.name, messages.suffix, file.type);
      download(file, name);
      this.#status.say(() => [filled(messages.saved, { name }), notesText(notes)].join(" "), notes.length > 0);
    } catch (error) {
      const failed = asWorkError(error);
      this.#status.say(() => failureText(photo.file.name, failed), true);
    }
    this.#single = undefined;
    this.#restoreFocus("download");
    this.#refresh();
  }

  /**
   * Gives the focus back to a button, if it was lost because the button was disabled meanwhile.
   *
   * @param {string} id
   */
  #restoreFocus(id) {
    this.update();
    if ([document.body, element("cancel")].includes(/** @type {HTMLElement} */ (document.activeElement))) element(id).focus();
  }

  /**
   * Adds the next photo to the ZIP file, or ends it.
   *
   * @param {Collection} collection
   */
  async #collect(collection) {
    const photo = collection.remaining[0];
    if (photo === undefined) this.#finish(collection);
    else if (this.#photos.has(photo)) await this.#append(photo, collection);
    collection.remaining.shift();
    this.#refresh();
  }

  /**
   * @param {Photo} photo
   * @param {Collection} collection
   */
  async #append(photo, collection) {
    try {
      const { file, notes } = await this.#encoded(photo, collection.format);
      if (this.#collection !== collection) return; // it was canceled meanwhile
      if (collection.archive.bytes + file.size > LARGEST_BYTES) this.#finishPart(collection);
      const name = uniqueName(resultName(photo.file.name, messages.suffix, file.type), collection.names);
      await collection.archive.add(name, file, photo.file.lastModified);
      collection.saved++;
      if (notes.length > 0) collection.notes.push(`${photo.file.name}: ${notesText(notes)}`);
    } catch (error) {
      asWorkError(error);
      collection.failed.push(photo.file.name);
    }
  }

  /** @param {Collection} collection */
  #finishPart(collection) {
    const name = `${messages.suffix}${collection.part > 1 ? `-${collection.part}` : ""}.zip`;
    if (collection.archive.count > 0) download(collection.archive.end(), name);
    collection.part++;
    collection.archive = new Archive();
    return name;
  }

  /** @param {Collection} collection */
  #finish(collection) {
    const values = { name: this.#finishPart(collection), count: collection.saved, names: collection.failed.join(", ") };
    const { failed, notes } = collection;
    const sentence = () => filled(failed.length > 0 ? messages.savedPart : messages.savedAll, values);
    this.#status.say(() => [sentence(), ...notes].join(" "), failed.length + notes.length > 0);
    this.#collection = undefined;
    this.#restoreFocus("download-all");
  }

  /**
   * @param {Photo} photo
   * @param {string} format
   */
  async #encoded(photo, format) {
    const { number, file, options, state } = photo;
    try {
      return await this.#colorizer.encode({ photo: number, file, options }, format, (stage, share) => {
        photo.state = { name: "working", stage, share };
        this.#refresh();
      });
    } finally {
      this.#photos.settle(photo);
      if (state.name === "failed") photo.state = state;
    }
  }
}

/**
 * @param {Blob} file
 * @param {string} name
 */
function download(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
}
