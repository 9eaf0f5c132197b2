/** The order of the work: one job at a time, because the back end does one at a time and memory holds few photos. */

/** @import { Job, JobSource } from "./types" */

export class Scheduler {
  #busy = false;
  #running = Promise.resolve();
  #sources;

  /**
   * @param {readonly JobSource[]} sources where jobs come from; after every job the first source that has one is asked again.
   */
  constructor(sources) {
    this.#sources = sources;
  }

  /** Starts to work if there is a job; called whenever a source may have got one. */
  wake() {
    if (!this.#busy) this.#running = this.#work();
  }

  /** Is fulfilled when no job runs or waits. */
  idle() {
    return this.#running;
  }

  async #work() {
    this.#busy = true;
    try {
      for (let job = this.#next(); job !== undefined; job = this.#next()) await job();
    } finally {
      this.#busy = false;
    }
  }

  /** @returns {Job | undefined} */
  #next() {
    for (const source of this.#sources) {
      const job = source();
      if (job !== undefined) return job;
    }
    return undefined;
  }
}
