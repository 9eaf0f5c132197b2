/** The photo in the viewer: it is rendered again after every change, coarsely while a setting moves and then in full. */

import { asWorkError } from "./failures.js";
import { element } from "./dom.js";
import { failureText, filled, messages, notesText } from "./messages.js";
/** @import { Photos } from "./photos.js" */
/** @import { Status } from "./status.js" */
/** @import { Viewer } from "./viewer.js" */
/** @import { Rendered, Colorizer, Job, Options, Photo, RenderSize } from "./types" */

/** A setting has come to rest when it did not change for this time. */
const REST_MS = 250;
/** @type {Options} */
const GRAY = { saturation: 0, warmth: 0, hints: [] };

export class Editor {
  /**
   * The photo whose original the viewer shows.
   *
   * @type {Photo | undefined}
   */
  #opened;
  /**
   * What the viewer shows with the present settings; undefined if nothing.
   *
   * @type {RenderSize | undefined}
   */
  #shown;
  /** @type {number | undefined} */
  #moving;
  /**
   * What failed for the photo in the viewer, although it has colors; it is not tried again before a setting changes.
   *
   * @type {Set<RenderSize | "original">}
   */
  #failed = new Set();
  #seconds = 0;
  #photos;
  #colorizer;
  #viewer;
  #status;
  #refresh;

  /**
   * @param {Photos} photos
   * @param {Colorizer} colorizer
   * @param {Viewer} viewer
   * @param {Status} status
   * @param {() => void} refresh
   */
  constructor(photos, colorizer, viewer, status, refresh) {
    this.#photos = photos;
    this.#colorizer = colorizer;
    this.#viewer = viewer;
    this.#status = status;
    this.#refresh = refresh;
  }

  /** Shows the current photo. */
  open() {
    const photo = this.#photos.current;
    if (photo === this.#opened) return;
    this.#leave();
    this.#colorizer.stop();
    this.#opened = photo;
    this.#begin();
    if (photo !== undefined) this.#viewer.open(photo.file);
    else {
      this.#viewer.close();
      this.#colorizer.close();
    }
    this.#refresh();
  }

  /** Leaves the thumbnail to the queue, if it does not show the last change yet. */
  #leave() {
    if (this.#opened?.state.name === "done") this.#photos.settle(this.#opened);
  }

  #begin() {
    this.#shown = undefined;
    this.#failed.clear();
    this.#seconds = 0;
  }

  /**
   * Gives the current photo other settings.
   *
   * @param {Partial<Options>} options
   */
  change(options) {
    const photo = this.#photos.current;
    if (photo === undefined) return;
    photo.options = { ...photo.options, ...options };
    this.#begin();
    this.#colorizer.stop();
    clearTimeout(this.#moving);
    this.#moving = window.setTimeout(() => {
      this.#moving = undefined;
      this.#refresh();
    }, REST_MS);
    this.#refresh();
  }

  /**
   * Returns the next rendering of the current photo, if it needs one.
   *
   * @returns {Job | undefined}
   */
  job() {
    const photo = this.#photos.current;
    if (photo === undefined || photo.state.name === "failed") return undefined;
    const size = this.#neededSize();
    if (size !== undefined) return () => this.#render(photo, size);
    const needsOriginal = this.#shown !== undefined && !this.#failed.has("original") && this.#viewer.needsOriginal();
    return needsOriginal ? () => this.#showOriginal(photo) : undefined;
  }

  /** Tells assistive technology whether the viewer waits for a result. */
  update() {
    const busy = this.#moving !== undefined || this.job() !== undefined;
    element("viewer").ariaBusy = String(busy);
  }

  /** @returns {RenderSize | undefined} */
  #neededSize() {
    if (this.#shown === undefined) return this.#moving === undefined ? "screen" : this.#colorizer.quick ? "small" : undefined;
    if (this.#moving !== undefined) return undefined;
    if (this.#shown === "small") return "screen";
    return this.#shown === "screen" && !this.#failed.has("full") && this.#viewer.needsDetail(this.#colorizer.longestSide) ? "full" : undefined;
  }

  /**
   * @param {Photo} photo
   * @param {RenderSize} size
   */
  async #render(photo, size) {
    const { options, file, number } = photo;
    try {
      const result = await this.#colorizer.render({ photo: number, file, options }, size, (stage, share) => {
        if (size === "small") return;
        photo.state = { name: "working", stage, share };
        this.#refresh();
      });
      photo.notes = result.notes;
      if (photo === this.#opened) this.#display(photo, size, result, options === photo.options);
      if (size === "screen" && result.thumbnail !== undefined) Object.assign(photo, { thumbnail: result.thumbnail, shown: options });
      this.#photos.settle(photo);
    } catch (error) {
      this.#fail(photo, options, size, error);
    }
    this.#refresh();
  }

  /**
   * @param {Photo} photo
   * @param {RenderSize} size
   * @param {Rendered} result
   * @param {boolean} current
   */
  #display(photo, size, result, current) {
    const { name } = photo.file;
    this.#viewer.show(result, result.tiles, name);
    this.#seconds += result.seconds;
    if (!current) return; // the settings have changed meanwhile
    this.#shown = size;
    if (size !== "screen") return;
    const seconds = this.#seconds;
    const { width, height, notes } = result;
    this.#status.say(() => {
      const done = filled(messages.done, { name, width, height, seconds: Math.round(10 * seconds) / 10 });
      return [done, notesText(notes)].join(" ");
    });
  }

  /**
   * Shows the photo without colors, where the browser cannot show its file beside the result.
   *
   * @param {Photo} photo
   */
  async #showOriginal(photo) {
    const { options, file, number } = photo;
    try {
      const result = await this.#colorizer.render({ photo: number, file, options: GRAY }, "screen", () => undefined);
      if (photo === this.#opened) this.#viewer.showOriginal(result.tiles[0]);
    } catch (error) {
      this.#fail(photo, options, "original", error);
    }
    this.#refresh();
  }

  /**
   * @param {Photo} photo
   * @param {Options} options
   * @param {RenderSize | "original"} part
   * @param {unknown} error
   */
  #fail(photo, options, part, error) {
    this.#photos.settle(photo);
    if (photo !== this.#opened || options !== photo.options) return; // the work was stopped
    const failed = asWorkError(error);
    const { failure, detail } = failed;
    if (part === "full" || part === "original") this.#failed.add(part); // the photo has colors, in fewer pixels
    else photo.state = { name: "failed", failure, detail };
    this.#status.say(() => failureText(photo.file.name, failed), true);
  }
}
