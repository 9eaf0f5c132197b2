/** The line that tells, also to screen readers, what has happened. */

import { element, setText } from "./dom.js";

export class Status {
  #line = element("status");
  #sentence = () => "";

  /**
   * Shows a sentence; it is asked for again when the language changes.
   *
   * @param {() => string} sentence
   */
  say(sentence, bad = false) {
    this.#sentence = sentence;
    this.#line.classList.toggle("bad", bad);
    this.update();
  }

  update() {
    setText(this.#line, this.#sentence());
  }
}
