/** The photo in the viewer: it is rendered again after every change, coarsely while a setting moves and then in full. */

import { type Colorizer, WorkError } from "./colorizer";
import type { Options } from "./core/colorize";
import { element } from "./dom";
import type { Job } from "./jobs";
import { filled, messages } from "./messages";
import type { Photo, Photos } from "./photos";
import type { RenderSize, Results } from "./protocol";
import type { Status } from "./status";
import type { Viewer } from "./viewer";

/** A setting has come to rest when it did not change for this time. */
const REST_MS = 250;
const GRAY: Options = { saturation: 0, warmth: 0, hints: [] };

export class Editor {
  /** The photo whose original the viewer shows. */
  private opened: Photo | undefined;
  /** What the viewer shows with the present settings; undefined if nothing. */
  private shown: RenderSize | undefined;
  private moving: number | undefined;
  private seconds = 0;

  constructor(
    private readonly photos: Photos,
    private readonly colorizer: Colorizer,
    private readonly viewer: Viewer,
    private readonly status: Status,
    private readonly refresh: () => void,
  ) {}

  /** Shows the current photo. */
  open(): void {
    const photo = this.photos.current;
    if (photo === this.opened) return;
    this.leave();
    this.opened = photo;
    this.shown = undefined;
    this.seconds = 0;
    if (photo !== undefined) this.viewer.open(photo.file);
    else {
      this.viewer.close();
      this.colorizer.close();
    }
    this.refresh();
  }

  /** Leaves the thumbnail to the queue, if it does not show the last change yet. */
  private leave(): void {
    const changed = this.shown === undefined || this.shown === "small";
    if (this.opened?.state.name === "done" && changed) this.opened.state = { name: "waiting" };
  }

  /** Gives the current photo other settings. */
  change(options: Partial<Options>): void {
    const photo = this.photos.current;
    if (photo === undefined) return;
    photo.options = { ...photo.options, ...options };
    this.shown = undefined;
    this.seconds = 0;
    clearTimeout(this.moving);
    this.moving = window.setTimeout(() => {
      this.moving = undefined;
      this.refresh();
    }, REST_MS);
    this.refresh();
  }

  /** Returns the next rendering of the current photo, if it needs one. */
  job(): Job | undefined {
    const photo = this.photos.current;
    if (photo === undefined || photo.state.name === "failed") return undefined;
    const size = this.neededSize();
    if (size !== undefined) return () => this.render(photo, size);
    return this.shown !== undefined && this.viewer.needsOriginal() ? (): Promise<void> => this.showOriginal(photo) : undefined;
  }

  /** Tells assistive technology whether the viewer waits for a result. */
  update(): void {
    const busy = this.moving !== undefined || this.job() !== undefined;
    element("viewer").ariaBusy = String(busy);
  }

  private neededSize(): RenderSize | undefined {
    if (this.shown === undefined) return this.moving === undefined ? "screen" : "small";
    if (this.moving !== undefined) return undefined;
    if (this.shown === "small") return "screen";
    return this.shown === "screen" && this.viewer.needsDetail() ? "full" : undefined;
  }

  private async render(photo: Photo, size: RenderSize): Promise<void> {
    const { options, file, number } = photo;
    try {
      const result = await this.colorizer.run<"render">({ type: "render", size, photo: number, file, options }, (stage, share) => {
        if (size === "small") return;
        photo.state = { name: "working", stage, share };
        this.refresh();
      });
      photo.state = { name: "done" };
      if (photo === this.opened) this.display(photo, size, result, options === photo.options);
      if (size === "screen" && result.thumbnail !== undefined) photo.thumbnail = result.thumbnail;
    } catch (error) {
      this.fail(photo, error);
    }
    this.refresh();
  }

  private display(photo: Photo, size: RenderSize, result: Results["render"], current: boolean): void {
    const { name } = photo.file;
    this.viewer.show(result, result.tiles, name);
    this.seconds += result.seconds;
    if (!current) return; // the settings have changed meanwhile
    this.shown = size;
    if (size !== "screen") return;
    const { seconds } = this;
    const { width, height, notes } = result;
    this.status.say(() => {
      const done = filled(messages.done, { name, width, height, seconds: Math.round(10 * seconds) / 10 });
      return [done, ...notes.map((note) => messages.notes[note])].join(" ");
    });
  }

  /** Shows the photo without colors, where the browser cannot show its file beside the result. */
  private async showOriginal(photo: Photo): Promise<void> {
    const { file, number } = photo;
    try {
      const result = await this.colorizer.run<"render">({ type: "render", size: "screen", photo: number, file, options: GRAY });
      if (photo === this.opened) this.viewer.showOriginal(result.tiles[0]!);
    } catch (error) {
      this.fail(photo, error);
    }
    this.refresh();
  }

  private fail(photo: Photo, error: unknown): void {
    if (!(error instanceof WorkError)) throw error;
    const { failure, detail } = error;
    photo.state = { name: "failed", failure, detail };
    this.status.say(() => filled(messages.failures[failure], { name: photo.file.name, detail }), true);
  }
}
