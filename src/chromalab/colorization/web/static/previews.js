/** The queue: every photo is colorized for its thumbnail, one after the other; broken files do not stop it. */

import { asWorkError } from "./failures.js";
import { filled, messages } from "./messages.js";
/** @import { Photos } from "./photos.js" */
/** @import { Status } from "./status.js" */
/** @import { Colorizer, Job, Photo } from "./types" */

export class Previews {
  #photos;
  #colorizer;
  #status;
  #refresh;

  /**
   * @param {Photos} photos
   * @param {Colorizer} colorizer
   * @param {Status} status
   * @param {() => void} refresh
   */
  constructor(photos, colorizer, status, refresh) {
    this.#photos = photos;
    this.#colorizer = colorizer;
    this.#status = status;
    this.#refresh = refresh;
  }

  /** @returns {Job | undefined} */
  job() {
    const photo = this.#photos.waiting();
    return photo === undefined ? undefined : () => this.#colorize(photo);
  }

  /** @param {Photo} photo */
  async #colorize(photo) {
    const { options, file, number } = photo;
    try {
      const found = await this.#colorizer.preview({ photo: number, file, options }, (stage, share) => {
        photo.state = { name: "working", stage, share };
        this.#refresh();
      });
      Object.assign(photo, found, { shown: options });
      this.#photos.settle(photo);
    } catch (error) {
      const { failure, detail } = asWorkError(error);
      photo.state = { name: "failed", failure, detail };
    }
    if (this.#photos.waiting() === undefined) this.#report();
    this.#refresh();
  }

  #report() {
    const counts = { done: this.#photos.colorized, failed: this.#photos.failed };
    this.#status.say(() => filled(counts.failed > 0 ? messages.someFailed : messages.allDone, counts), counts.failed > 0);
  }
}
