/** The photos of the visit. Only their files, settings and thumbnails are kept; colors are computed again when needed. */

import { DEFAULTS, type Options } from "./core/colorize";
import type { Failure, Stage } from "./protocol";

export type State =
  | { readonly name: "waiting" | "done" }
  | { readonly name: "working"; readonly stage: Stage; readonly share: number }
  | { readonly name: "failed"; readonly failure: Failure; readonly detail: string };

export interface Photo {
  readonly number: number;
  readonly file: File;
  options: Options;
  state: State;
  /** A small JPEG file with the colors; undefined before the photo was colorized. */
  thumbnail?: Blob;
}

export class Photos {
  readonly items: Photo[] = [];
  /** The photo in the viewer. */
  current: Photo | undefined;
  private last = 0;

  add(files: Iterable<File>): Photo[] {
    const added = Array.from(files, (file): Photo => ({ number: ++this.last, file, options: DEFAULTS, state: { name: "waiting" } }));
    this.items.push(...added);
    return added;
  }

  /** Removes a photo; if it was the current one, its neighbor takes its place. */
  remove(photo: Photo): void {
    const place = this.items.indexOf(photo);
    if (place < 0) return;
    this.items.splice(place, 1);
    if (this.current === photo) this.current = this.items[Math.min(place, this.items.length - 1)];
  }

  clear(): void {
    this.items.length = 0;
    this.current = undefined;
  }

  has(photo: Photo): boolean {
    return this.items.includes(photo);
  }

  /** Returns the photo some places before or after the current one. */
  neighbor(step: number): Photo | undefined {
    return this.current === undefined ? undefined : this.items[this.items.indexOf(this.current) + step];
  }

  /** Returns the first photo that nobody has colorized yet. */
  waiting(): Photo | undefined {
    return this.items.find(({ state }) => state.name === "waiting");
  }

  /** Number of photos with colors, also while these are computed again. */
  get colorized(): number {
    return this.items.filter(({ thumbnail, state }) => thumbnail !== undefined && state.name !== "failed").length;
  }

  get failed(): number {
    return this.items.filter(({ state }) => state.name === "failed").length;
  }

  /** Gives all photos the saturation and warmth of one; the others are colorized again. */
  applyToAll({ options: { saturation, warmth } }: Photo): void {
    for (const photo of this.items) {
      if (photo.options.saturation === saturation && photo.options.warmth === warmth) continue;
      photo.options = { ...photo.options, saturation, warmth };
      if (photo.state.name === "done") photo.state = { name: "waiting" };
    }
  }
}
