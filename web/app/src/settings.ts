/** Saturation and warmth of the current photo. */

import { DEFAULTS } from "./core/colorize";
import { element } from "./dom";
import type { Editor } from "./editor";
import { language } from "./messages";
import type { Photos } from "./photos";

export class Settings {
  private readonly group = element<HTMLFieldSetElement>("colors");
  private readonly saturation = element<HTMLInputElement>("saturation");
  private readonly warmth = element<HTMLInputElement>("warmth");

  constructor(
    private readonly photos: Photos,
    editor: Editor,
    refresh: () => void,
  ) {
    this.saturation.addEventListener("input", () => editor.change({ saturation: this.saturation.valueAsNumber }));
    this.warmth.addEventListener("input", () => editor.change({ warmth: this.warmth.valueAsNumber }));
    element("reset").addEventListener("click", () => {
      const { saturation, warmth } = DEFAULTS;
      editor.change({ saturation, warmth });
    });
    element("apply-to-all").addEventListener("click", () => {
      if (photos.current !== undefined) photos.applyToAll(photos.current);
      refresh();
    });
  }

  update(): void {
    const { current, items } = this.photos;
    const { saturation, warmth } = current?.options ?? DEFAULTS;
    this.group.disabled = current === undefined || current.state.name === "failed";
    this.saturation.value = String(saturation);
    this.warmth.value = String(warmth);
    element("apply-to-all").hidden = items.length < 2;
    for (const output of this.group.querySelectorAll("output")) {
      output.value = element<HTMLInputElement>(output.htmlFor.value).valueAsNumber.toLocaleString(language);
    }
  }
}
