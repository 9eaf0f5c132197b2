/** Saturation and warmth of the current photo. */

import { DEFAULTS } from "./photos.js";
import { element } from "./dom.js";
import { language } from "./messages.js";
/** @import { Editor } from "./editor.js" */
/** @import { Photos } from "./photos.js" */

export class Settings {
  #group = element("colors", HTMLFieldSetElement);
  #saturation = element("saturation", HTMLInputElement);
  #warmth = element("warmth", HTMLInputElement);
  #photos;

  /**
   * @param {Photos} photos
   * @param {Editor} editor
   * @param {() => void} refresh
   */
  constructor(photos, editor, refresh) {
    this.#photos = photos;
    this.#saturation.addEventListener("input", () => editor.change({ saturation: this.#saturation.valueAsNumber }));
    this.#warmth.addEventListener("input", () => editor.change({ warmth: this.#warmth.valueAsNumber }));
    element("reset").addEventListener("click", () => {
      const { saturation, warmth } = DEFAULTS;
      editor.change({ saturation, warmth });
    });
    element("apply-to-all").addEventListener("click", () => {
      if (photos.current !== undefined) photos.applyToAll(photos.current);
      refresh();
    });
  }

  update() {
    const { current, items } = this.#photos;
    const { saturation, warmth } = current?.options ?? DEFAULTS;
    this.#group.disabled = current === undefined || current.state.name === "failed";
    this.#saturation.value = String(saturation);
    this.#warmth.value = String(warmth);
    element("apply-to-all").hidden = items.length < 2;
    for (const output of this.#group.querySelectorAll("output")) {
      output.value = element(output.htmlFor.value, HTMLInputElement).valueAsNumber.toLocaleString(language);
    }
  }
}
