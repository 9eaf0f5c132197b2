/** The viewer: the original and the colorized photo on both sides of a line, with zoom and pan. */

import { create, element, setText } from "./dom.js";
import { handleGestures } from "./gestures.js";
import { fitScale, fitted, moved, shareAt, visibleColumns, zoomed } from "./view.js";
/** @import { Point, Size, Tile, View } from "./types" */

const ZOOM_STEP = 1.5;
/** Share of the frame by which an arrow key moves the photo. */
const PAN_STEP = 0.1;
/** Steps of the line between original and result, in percent. */
const CUT_STEP = 2;
const CUT_JUMP = 10;
/** Above this scale single pixels are shown sharp. */
const SHARP_SCALE = 3;

export class Viewer {
  /**
   * Called with a tapped place, as shares of the photo's sides; returns whether the tap was used.
   *
   * @type {(place: Point) => boolean}
   */
  onTap = () => false;
  /**
   * Called after the photo has moved in its frame.
   *
   * @type {() => void}
   */
  onMove = () => undefined;
  #frame = element("viewer");
  #stage = element("stage");
  #before = element("before", HTMLImageElement);
  #after = element("after");
  #cut = element("cut");
  /** @type {Size} */
  #photo = { width: 1, height: 1 };
  /** @type {View} */
  #view = { scale: 1, x: 0, y: 0 };
  #cutPercent = 50;
  /** Whether the browser cannot show the photo's file itself. */
  #unshown = false;
  #wasFit = true;
  /** Pixels of the shown result per pixel of the photo, for the whole photo; its details may come on top. */
  #resolution = 0;

  constructor() {
    this.#before.addEventListener("load", () => {
      if (this.#resolution === 0) this.#begin({ width: this.#before.naturalWidth, height: this.#before.naturalHeight });
    });
    this.#before.addEventListener("error", () => {
      this.#unshown = this.#before.hasAttribute("src");
      this.onMove();
    });
    new ResizeObserver(() => this.#refit()).observe(this.#frame);
    handleGestures(this.#frame, {
      tap: (point) => this.#tap(point),
      doubleTap: (point) => this.#toggle(point),
      drag: (point, across, down) => this.#drag(point, across, down),
      zoom: (point, factor) => this.#zoom(factor, point),
    });
    this.#bindLine();
    this.#bindKeys();
    this.#bindButtons();
  }

  /**
   * Shows the original of another photo, and its result later.
   *
   * @param {File} file
   */
  open(file) {
    this.close();
    this.#before.src = URL.createObjectURL(file);
    this.#before.alt = file.name;
  }

  close() {
    if (this.#before.src !== "") URL.revokeObjectURL(this.#before.src);
    this.#before.removeAttribute("src");
    this.#after.replaceChildren();
    this.#stage.querySelector(":scope > canvas")?.remove();
    this.#unshown = false;
    this.#resolution = 0;
    this.#frame.classList.add("pending");
    this.#cutPercent = 50;
  }

  /**
   * Shows the result in place of the one before.
   *
   * @param {Size} size
   * @param {readonly Tile[]} tiles
   * @param {string} label
   */
  show(size, tiles, label) {
    if (this.#resolution === 0) this.#begin(size);
    this.#resolution = Math.max(...tiles.map(({ bitmap, width }) => bitmap.width / width));
    this.#after.replaceChildren(...tiles.map(canvasOf));
    this.#after.ariaLabel = label;
    this.#frame.classList.remove("pending");
    this.#place();
  }

  /**
   * Shows the original in place of a file that the browser cannot show.
   *
   * @param {Tile} tile
   */
  showOriginal(tile) {
    this.#before.after(canvasOf(tile));
    this.#unshown = false;
  }

  /** Returns whether the browser cannot show the photo's file, and nothing is shown in its place. */
  needsOriginal() {
    return this.#unshown;
  }

  /**
   * Returns whether the screen has more pixels than the shown result.
   *
   * @param {number} longestSide of photos that are rendered in full.
   */
  needsDetail(longestSide) {
    if (Math.max(this.#photo.width, this.#photo.height) > longestSide) return false;
    return this.#resolution > 0 && this.#resolution < Math.min(1, 0.99 * this.#view.scale * devicePixelRatio);
  }

  /**
   * Returns where the frame shows a place that is given as shares of the photo's sides.
   *
   * @param {Point} source
   * @returns {Point}
   */
  pointOf({ x, y }) {
    return { x: this.#view.x + this.#view.scale * this.#photo.width * x, y: this.#view.y + this.#view.scale * this.#photo.height * y };
  }

  /**
   * Returns the place under a point of the window, as shares of the photo's sides, limited to the photo.
   *
   * @param {Point} source
   * @returns {Point}
   */
  shareAt({ x, y }) {
    const { left, top } = this.#frame.getBoundingClientRect();
    /** @param {number} share */
    const inside = (share) => Math.min(0.9999, Math.max(0, share));
    const across = (x - left - this.#frame.clientLeft - this.#view.x) / (this.#view.scale * this.#photo.width);
    const down = (y - top - this.#frame.clientTop - this.#view.y) / (this.#view.scale * this.#photo.height);
    return { x: inside(across), y: inside(down) };
  }

  /**
   * Returns the place in the middle of the frame.
   *
   * @returns {Point}
   */
  middle() {
    return shareAt(this.#view, this.#center(), this.#photo) ?? { x: 0.5, y: 0.5 };
  }

  /** @param {Size} photo */
  #begin(photo) {
    this.#photo = photo;
    this.#stage.style.width = `${photo.width}px`;
    this.#stage.style.height = `${photo.height}px`;
    this.fit();
  }

  #frameSize() {
    return { width: this.#frame.clientWidth, height: this.#frame.clientHeight };
  }

  /** @returns {Point} */
  #center() {
    const { width, height } = this.#frameSize();
    return { x: width / 2, y: height / 2 };
  }

  #fits() {
    return this.#view.scale <= 1.001 * fitScale(this.#photo, this.#frameSize());
  }

  #refit() {
    this.#view = this.#wasFit ? fitted(this.#photo, this.#frameSize()) : moved(this.#view, 0, 0, this.#photo, this.#frameSize());
    this.#place();
  }

  fit() {
    this.#view = fitted(this.#photo, this.#frameSize());
    this.#place();
  }

  /** Shows each pixel of the photo as one pixel of the screen. */
  actual(point = this.#center()) {
    this.#view = zoomed(this.#view, 1 / devicePixelRatio, point, this.#photo, this.#frameSize());
    this.#place();
  }

  /** @param {number} factor */
  #zoom(factor, point = this.#center()) {
    if (factor < 1 && this.#fits()) return false; // the page may scroll
    this.#view = zoomed(this.#view, this.#view.scale * factor, point, this.#photo, this.#frameSize());
    this.#place();
    return true;
  }

  /** @param {Point} point */
  #toggle(point) {
    if (!this.#fits()) this.fit();
    else if (this.#view.scale * devicePixelRatio < 0.99) this.actual(point);
    else this.#zoom(2, point);
  }

  /**
   * @param {number} across
   * @param {number} down
   */
  #pan(across, down) {
    this.#view = moved(this.#view, across, down, this.#photo, this.#frameSize());
    this.#place();
  }

  /** @param {Point} point */
  #tap(point) {
    const share = shareAt(this.#view, point, this.#photo);
    if (share !== undefined && this.onTap(share)) return;
    if (this.#fits()) this.#moveCutTo(point.x);
  }

  /**
   * @param {Point} point
   * @param {number} across
   * @param {number} down
   */
  #drag(point, across, down) {
    if (this.#fits()) this.#moveCutTo(point.x);
    else this.#pan(across, down);
  }

  /** @param {number} x */
  #moveCutTo(x) {
    const { left, right } = visibleColumns(this.#view, this.#photo, this.#frameSize());
    this.#setCut((100 * (x - left)) / Math.max(1, right - left));
  }

  /** @param {number} percent */
  #setCut(percent) {
    this.#cutPercent = Math.min(100, Math.max(0, percent));
    this.#place();
  }

  /** Writes zoom, position and the line between both sides into the page. */
  #place() {
    const { scale, x, y } = this.#view;
    const { left, right } = visibleColumns(this.#view, this.#photo, this.#frameSize());
    const line = left + (this.#cutPercent / 100) * (right - left);
    this.#stage.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.#after.style.clipPath = `inset(0 0 0 ${Math.max(0, (line - x) / scale)}px)`;
    this.#frame.style.setProperty("--line", `${line}px`);
    this.#cut.ariaValueNow = String(Math.round(this.#cutPercent));
    this.#wasFit = this.#fits();
    this.#frame.classList.toggle("zoomed", !this.#wasFit);
    this.#frame.classList.toggle("sharp", scale > SHARP_SCALE);
    setText(element("scale"), `${Math.round(100 * scale * devicePixelRatio)} %`);
    this.onMove();
  }

  #bindLine() {
    this.#cut.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.#cut.setPointerCapture(event.pointerId);
    });
    this.#cut.addEventListener("dblclick", (event) => event.stopPropagation());
    this.#cut.addEventListener("pointermove", (event) => {
      if (this.#cut.hasPointerCapture(event.pointerId)) this.#moveCutTo(event.clientX - this.#frame.getBoundingClientRect().left);
    });
    this.#cut.addEventListener("keydown", (event) => {
      const percent = nextCut(event, this.#cutPercent);
      if (percent === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.#setCut(percent);
    });
  }

  #bindKeys() {
    const frame = this.#frame;
    /** @type {Readonly<Record<string, () => void>>} */
    const keys = {
      "+": () => this.#zoom(ZOOM_STEP),
      "=": () => this.#zoom(ZOOM_STEP),
      "-": () => this.#zoom(1 / ZOOM_STEP),
      "0": () => this.fit(),
      "1": () => this.actual(),
      ArrowLeft: () => this.#pan(PAN_STEP * frame.clientWidth, 0),
      ArrowRight: () => this.#pan(-PAN_STEP * frame.clientWidth, 0),
      ArrowUp: () => this.#pan(0, PAN_STEP * frame.clientHeight),
      ArrowDown: () => this.#pan(0, -PAN_STEP * frame.clientHeight),
    };
    frame.addEventListener("keydown", (event) => {
      const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (action === undefined) return;
      event.preventDefault();
      action();
    });
  }

  #bindButtons() {
    element("zoom-in").addEventListener("click", () => this.#zoom(ZOOM_STEP));
    element("zoom-out").addEventListener("click", () => this.#zoom(1 / ZOOM_STEP));
    element("fit").addEventListener("click", () => this.fit());
    element("actual").addEventListener("click", () => this.actual());
  }
}

/**
 * Returns where a key moves the line to, in percent, or undefined for other keys.
 *
 * @param {KeyboardEvent} source
 * @param {number} percent
 * @returns {number | undefined}
 */
function nextCut({ key, shiftKey }, percent) {
  const step = shiftKey ? CUT_JUMP : CUT_STEP;
  if (key === "ArrowLeft" || key === "ArrowDown") return percent - step;
  if (key === "ArrowRight" || key === "ArrowUp") return percent + step;
  if (key === "PageDown") return percent - CUT_JUMP;
  if (key === "PageUp") return percent + CUT_JUMP;
  if (key === "Home") return 0;
  return key === "End" ? 100 : undefined;
}

/** @param {Tile} source */
function canvasOf({ x, y, width, height, bitmap }) {
  const canvas = create("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(bitmap);
  Object.assign(canvas.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px` });
  return canvas;
}
