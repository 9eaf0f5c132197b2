/** Errors for which the page has a sentence. */

/** @import { Failure } from "./types" */

/** Work that failed, with the kind of failure. */
export class WorkError extends Error {
  /**
   * @param {Failure} failure
   * @param {string} detail
   */
  constructor(failure, detail) {
    super(`${failure}: ${detail}`);
    this.failure = failure;
    this.detail = detail;
  }
}
