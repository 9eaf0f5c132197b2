/** Known colors: the reader places them in the photo, as markers and in a list. */

import { create, element, setText } from "./dom.js";
import { TAP_PX } from "./gestures.js";
import { filled, messages } from "./messages.js";
/** @import { Editor } from "./editor.js" */
/** @import { Photos } from "./photos.js" */
/** @import { Status } from "./status.js" */
/** @import { Viewer } from "./viewer.js" */
/** @import { Hint, Messages, Point } from "./types" */

/**
 * Frequent colors; the lightness of these values is not used.
 *
 * @type {Readonly<Record<keyof Messages["swatch"], string>>}
 */
const SWATCHES = {
  skin: "#c99a7c",
  wood: "#7a5230",
  brick: "#9c4a36",
  sand: "#c8b083",
  grass: "#6a8f3c",
  leaves: "#3f6b35",
  sky: "#7fa9d6",
  water: "#3f6f8f",
  gray: "#808080",
};
/** Steps of the arrow keys, as shares of the photo's sides. */
const STEP = 0.01;
const JUMP = 0.05;
const MOST_HINTS = 100;

export class HintEditor {
  #color = element("hint-color", HTMLInputElement);
  #addButton = element("hint-add", HTMLButtonElement);
  #list = element("hint-list");
  #markers = element("markers");
  /** Whether the next tap on the photo places a color. */
  #placing = false;
  /** @type {Row[]} */
  #rows = [];
  /** @type {ReadonlyMap<keyof Messages["swatch"], HTMLButtonElement>} */
  #swatches;
  #photos;
  #editor;
  #viewer;
  #status;

  /**
   * @param {Photos} photos
   * @param {Editor} editor
   * @param {Viewer} viewer
   * @param {Status} status
   */
  constructor(photos, editor, viewer, status) {
    this.#photos = photos;
    this.#editor = editor;
    this.#viewer = viewer;
    this.#status = status;
    this.#swatches = new Map(Object.entries(SWATCHES).map(([name, color]) => [/** @type {keyof Messages["swatch"]} */ (name), this.#swatch(color)]));
    element("swatches").append(...this.#swatches.values());
    this.#addButton.addEventListener("click", (event) => (event.detail === 0 ? this.#addInMiddle() : this.#place(!this.#placing)));
    this.#color.addEventListener("input", () => this.#place(true));
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.#placing && this.#place(false));
    viewer.onTap = (place) => this.#placing && this.#add(place);
  }

  update() {
    const { current } = this.#photos;
    const disabled = current === undefined || current.state.name === "failed" || current.thumbnail === undefined;
    element("hints", HTMLFieldSetElement).disabled = disabled;
    if (disabled && this.#placing) this.#place(false);
    this.#addButton.disabled = this.#hints().length >= MOST_HINTS;
    for (const [name, button] of this.#swatches) button.ariaLabel = button.title = messages.swatch[name];
    this.#updateRows();
    this.moveMarkers();
  }

  #hints() {
    return this.#photos.current?.options.hints ?? [];
  }

  /** @param {string} color */
  #swatch(color) {
    const button = create("button", { type: "button" });
    button.style.setProperty("--color", color);
    button.addEventListener("click", (event) => {
      this.#color.value = color;
      if (event.detail === 0) this.#color.focus();
      else this.#place(true);
    });
    return button;
  }

  /** @param {boolean} placing */
  #place(placing) {
    this.#placing = placing;
    this.#addButton.ariaPressed = String(placing);
    element("viewer").classList.toggle("placing", placing);
    if (!placing) return;
    element("viewer").scrollIntoView({ block: "nearest" });
    this.#status.say(() => messages.hintPlacing);
  }

  #addInMiddle() {
    this.#add(this.#viewer.middle());
    const number = this.#hints().length;
    this.#status.say(() => filled(messages.hintAdded, { number }));
    this.#rows.at(-1)?.marker.focus();
  }

  /** @param {Point} source */
  #add({ x, y }) {
    if (this.#hints().length >= MOST_HINTS) return false;
    this.#place(false);
    this.#editor.change({ hints: [...this.#hints(), { x, y, color: this.#color.value }] });
    this.update();
    return true;
  }

  /**
   * @param {number} index
   * @param {Partial<Hint>} change
   */
  #change(index, change) {
    this.#editor.change({ hints: this.#hints().map((hint, place) => (place === index ? { ...hint, ...change } : hint)) });
  }

  /** @param {number} index */
  #remove(index) {
    this.#editor.change({ hints: this.#hints().filter((_, place) => place !== index) });
    this.update();
    (this.#rows[Math.min(index, this.#rows.length - 1)]?.removal ?? this.#addButton).focus();
  }

  #updateRows() {
    const hints = this.#hints();
    while (this.#rows.length > hints.length) this.#rows.pop()?.dispose();
    while (this.#rows.length < hints.length) this.#rows.push(this.#row(this.#rows.length));
    hints.forEach((hint, index) => this.#rows[index].update(hint));
  }

  /** @param {number} index */
  #row(index) {
    const row = new Row(index + 1);
    this.#list.append(row.item);
    this.#markers.append(row.marker);
    row.color.addEventListener("input", () => this.#change(index, { color: row.color.value }));
    row.removal.addEventListener("click", () => this.#remove(index));
    this.#bindMarker(row, index);
    return row;
  }

  /**
   * Lets a marker be dragged, moved by keys, deleted, and tapped to change its color.
   *
   * @param {Row} source
   * @param {number} index
   */
  #bindMarker({ marker, color }, index) {
    /** @type {Point} */
    let start = { x: 0, y: 0 };
    let moved = false;
    marker.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      marker.setPointerCapture(event.pointerId);
      start = event;
      moved = false;
    });
    marker.addEventListener("pointermove", (event) => {
      moved ||= Math.hypot(event.x - start.x, event.y - start.y) >= TAP_PX;
      if (!moved || !marker.hasPointerCapture(event.pointerId)) return;
      this.#change(index, this.#viewer.shareAt({ x: event.clientX, y: event.clientY }));
    });
    marker.addEventListener("click", () => {
      if (!moved) color.click(); // opens the browser's choice of colors
      moved = false;
    });
    marker.addEventListener("dblclick", (event) => event.stopPropagation());
    marker.addEventListener("keydown", (event) => this.#key(event, index));
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} index
   */
  #key(event, index) {
    const step = event.shiftKey ? JUMP : STEP;
    /** @type {Readonly<Record<string, Point>>} */
    const steps = {
      ArrowLeft: { x: -step, y: 0 },
      ArrowRight: { x: step, y: 0 },
      ArrowUp: { x: 0, y: -step },
      ArrowDown: { x: 0, y: step },
    };
    const deletes = event.key === "Delete" || event.key === "Backspace";
    const by = steps[event.key];
    const hint = this.#hints()[index];
    if ((by === undefined && !deletes) || hint === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (by === undefined) this.#remove(index);
    else this.#change(index, { x: limited(hint.x + by.x), y: limited(hint.y + by.y) });
  }

  /** Puts the markers where the viewer shows their places. */
  moveMarkers() {
    this.#hints().forEach((hint, index) => {
      const { x, y } = this.#viewer.pointOf(hint);
      const marker = this.#rows[index]?.marker;
      if (marker !== undefined) marker.style.transform = `translate(${x}px, ${y}px)`;
    });
  }
}

/** The marker of a hint and its row in the list. */
class Row {
  marker = create("button", { type: "button", className: "marker" });
  color = create("input", { type: "color" });
  removal = create("button", { type: "button", className: "remove", textContent: "×" });
  /** @type {HTMLLIElement} */
  item;
  #text = create("span");
  #number;

  /** @param {number} number */
  constructor(number) {
    this.#number = number;
    this.marker.textContent = String(number);
    this.item = create("li", {}, this.color, this.#text, this.removal);
  }

  /** @param {Hint} source */
  update({ x, y, color }) {
    const number = this.#number;
    this.color.value = color;
    this.marker.style.setProperty("--color", color);
    this.marker.ariaLabel = filled(messages.hintMarker, { number, x: Math.round(100 * x), y: Math.round(100 * y) });
    this.color.ariaLabel = filled(messages.hintItem, { number });
    this.removal.ariaLabel = filled(messages.hintRemove, { number });
    setText(this.#text, filled(messages.hintItem, { number }));
  }

  dispose() {
    this.item.remove();
    this.marker.remove();
  }
}

/** @param {number} share */
function limited(share) {
  return Math.min(0.9999, Math.max(0, share));
}
