/** The photos of the visit. Only their files, settings and thumbnails are kept; colors are computed again when needed. */

/** @import { Failure, Options, Photo } from "./types" */

/** @type {Options} */
export const DEFAULTS = { saturation: 1, warmth: 0, hints: [] };

/**
 * Failures that come again: their reason is the file, or a network that only a reload loads again.
 *
 * @type {ReadonlySet<Failure>}
 */
const LASTING = new Set(["unreadable", "tooLarge", "refused", "model"]);

export class Photos {
  /** @type {Photo[]} */
  items = [];
  /**
   * The photo in the viewer.
   *
   * @type {Photo | undefined}
   */
  current;
  #last = 0;

  /**
   * @param {Iterable<File>} files
   * @returns {Photo[]}
   */
  add(files) {
    /** @type {Photo[]} */
    const added = Array.from(files, (file) => ({ number: ++this.#last, file, options: DEFAULTS, state: { name: "waiting" } }));
    this.items.push(...added);
    return added;
  }

  /**
   * Removes a photo; if it was the current one, its neighbor takes its place.
   *
   * @param {Photo} photo
   */
  remove(photo) {
    const place = this.items.indexOf(photo);
    if (place < 0) return;
    this.items.splice(place, 1);
    if (this.current === photo) this.current = this.items[Math.min(place, this.items.length - 1)];
  }

  clear() {
    this.items.length = 0;
    this.current = undefined;
  }

  /** @param {Photo} photo */
  has(photo) {
    return this.items.includes(photo);
  }

  /**
   * Returns the photo some places before or after the current one.
   *
   * @param {number} step
   */
  neighbor(step) {
    return this.current === undefined ? undefined : this.items[this.items.indexOf(this.current) + step];
  }

  /**
   * Lets photos wait again that failed for a reason that may have passed.
   *
   * @param {readonly Photo[]} photos
   */
  retry(photos) {
    for (const photo of photos) if (mayPass(photo)) photo.state = { name: "waiting" };
  }

  /** Whether a photo failed for a reason that may have passed. */
  get retryable() {
    return this.items.some(mayPass);
  }

  /** Lets all photos wait again, also those that failed; what is computed now is outdated. */
  renew() {
    for (const photo of this.items) Object.assign(photo, { options: { ...photo.options }, state: { name: "waiting" } });
  }

  /**
   * Ends the work on a photo: it waits again if its thumbnail does not show its present settings. The photo in the viewer,
   * which is rendered there, waits only for its first colors.
   *
   * @param {Photo} photo
   */
  settle(photo) {
    const { thumbnail, shown, options } = photo;
    const done = photo === this.current ? thumbnail !== undefined : shown === options;
    photo.state = { name: done ? "done" : "waiting" };
  }

  /** Returns the first photo that nobody has colorized yet. */
  waiting() {
    return this.items.find(({ state }) => state.name === "waiting");
  }

  /** Number of photos with colors, also while these are computed again. */
  get colorized() {
    return this.items.filter(({ thumbnail, state }) => thumbnail !== undefined && state.name !== "failed").length;
  }

  get failed() {
    return this.items.filter(({ state }) => state.name === "failed").length;
  }

  /**
   * Gives all photos the saturation and warmth of one; the others are colorized again.
   *
   * @param {Photo} source
   */
  applyToAll({ options: { saturation, warmth } }) {
    for (const photo of this.items) {
      if (photo.options.saturation === saturation && photo.options.warmth === warmth) continue;
      photo.options = { ...photo.options, saturation, warmth };
      if (photo.state.name === "done") photo.state = { name: "waiting" };
    }
  }
}

/** @param {Photo} photo */
function mayPass({ state }) {
  return state.name === "failed" && !LASTING.has(state.failure);
}
