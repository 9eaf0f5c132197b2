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

/**
 * Returns an error as one for which the page has a sentence, so that no error ends the work on other photos.
 *
 * @param {unknown} error
 */
export function asWorkError(error) {
  if (error instanceof WorkError) return error;
  console.error(error);
  return new WorkError("unexpected", String(error));
}
