/** Types of the page's modules; TypeScript checks them, and browsers never load this file. */

import type english from "./messages/en.json";

export type Messages = typeof english;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Zoom and position of a photo in its frame: a pixel of the photo at x appears at `view.x + view.scale * x`. */
export interface View extends Point {
  readonly scale: number;
}

export interface GestureHandler {
  tap(point: Point): void;
  doubleTap(point: Point): void;
  drag(point: Point, across: number, down: number): void;
  /** Zoom by a factor around a point; returns whether the gesture was used. */
  zoom(point: Point, factor: number): boolean;
}

/** A known color; all lengths are shares of the photo's sides, and a point has no width and height. */
export interface Hint extends Point {
  readonly width?: number;
  readonly height?: number;
  /** sRGB as `#rrggbb`, of which the hue and chroma are used. */
  readonly color: string;
}

/** Settings of the colors. */
export interface Options {
  /** Factor of the chroma; 0 gives gray. */
  readonly saturation: number;
  /** Added warmth, in CIELAB units of b* at middle gray; negative values are cooler. */
  readonly warmth: number;
  readonly hints: readonly Hint[];
}

/** What work can fail with; `messages/*.json` has a sentence for each. */
export type Failure = keyof Messages["failures"];

export type Stage = "decoding" | "predicting" | "rendering" | "encoding";

export type State =
  | { readonly name: "waiting" | "done" }
  | { readonly name: "working"; readonly stage: Stage; readonly share: number | undefined }
  | { readonly name: "failed"; readonly failure: Failure; readonly detail: string };

export interface Photo {
  readonly number: number;
  readonly file: File;
  options: Options;
  state: State;
  /** A small JPEG file with the colors; undefined before the photo was colorized. */
  thumbnail?: Blob;
  /** The settings that the thumbnail shows. */
  shown?: Options;
  notes?: readonly string[];
}

/** Returns a piece of work; the page does one at a time. */
export type Job = () => Promise<void>;

/** Returns the next job of one kind, or undefined if none waits. */
export type JobSource = () => Job | undefined;

export interface ListActions {
  open(photo: Photo): void;
  remove(photo: Photo): void;
  clear(): void;
  /** Colorize photos again that failed for a reason that may have passed. */
  retry(): void;
}

/** How much of a rendering the page needs: the small copy, which is fast; enough pixels for a screen; or all pixels. */
export type RenderSize = "small" | "screen" | "full";

/** A photo of the page and the settings that its colors get. */
export interface Source {
  /** Number of the photo, by which the back end recognizes the one that it has open. */
  readonly photo: number;
  readonly file: File;
  readonly options: Options;
}

/** A part of a photo; position and size are in pixels of the photo, and the bitmap may have fewer. */
export interface Tile extends Point, Size {
  readonly bitmap: ImageBitmap;
}

/** What the reader should know about a result. */
export interface Noted {
  /** Names of notes in `messages/*.json`, or sentences. */
  readonly notes: readonly string[];
}

export interface Preview extends Noted {
  readonly thumbnail: Blob;
}

export interface Encoded extends Noted {
  readonly file: Blob;
}

export interface Rendered extends Size, Noted {
  readonly tiles: readonly Tile[];
  readonly thumbnail: Blob | undefined;
  readonly seconds: number;
}

/** Called when a stage begins, and with its share that is done; undefined if that is not known. */
export type Progress = (stage: Stage, share?: number) => void;

/** What colorizes photos: a worker in the app, and the server on the page of `chromalab serve`. Work fails with a WorkError. */
export interface Colorizer {
  /** Whether renderings are fast enough to follow a setting that moves. */
  readonly quick: boolean;
  /** Photos with a longer side, in pixels, are not rendered in full. */
  readonly longestSide: number;
  /** Colorize a photo for its thumbnail. */
  preview(source: Source, progress: Progress): Promise<Preview>;
  /** Colorize a photo for the viewer; it may stay open in place of the one before. */
  render(source: Source, size: RenderSize, progress: Progress): Promise<Rendered>;
  /** Write a photo as a file with metadata. */
  encode(source: Source, format: string, progress: Progress): Promise<Encoded>;
  /** Stop rendering, whose result is no longer needed; it may fail or finish. */
  stop(): void;
  /** Give the memory of the open photo back. */
  close(): void;
}

/** What the page says about its network. */
export interface Model {
  readonly name: string;
  readonly title?: string | undefined;
  readonly license?: string | undefined;
  readonly notice?: string | undefined;
  readonly failures?: string | undefined;
}

/** What differs between the app and the page of `chromalab serve`. */
export interface BackEnd {
  readonly colorizer: Colorizer;
  /** Its own settings on the page. */
  readonly parts: readonly { update(): void }[];
  /** Name of the introducing sentence. */
  readonly intro: keyof Messages;
  /** File types of downloads and the names of their descriptions; an empty type keeps that of the photo. */
  readonly formats: Readonly<Record<string, keyof Messages>>;
  /** Returns the network in use. */
  readonly model: () => Model;
}
