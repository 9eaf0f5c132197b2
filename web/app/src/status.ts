/** The line that tells, also to screen readers, what has happened. */

import { element, setText } from "./dom";

export class Status {
  private readonly line = element("status");
  private sentence = (): string => "";

  /** Shows a sentence; it is asked for again when the language changes. */
  say(sentence: () => string, bad = false): void {
    this.sentence = sentence;
    this.line.classList.toggle("bad", bad);
    this.update();
  }

  update(): void {
    setText(this.line, this.sentence());
  }
}
