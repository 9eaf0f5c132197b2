/** The messages between the page and the worker. */

import type { Options } from "./core/colorize";
import type { ModelRecord } from "./core/network";
import type { RuntimeFiles } from "./session";

export type Format = "image/jpeg" | "image/png" | "image/webp";

/** What a request can fail with; `messages/*.json` has a sentence for each. */
export type Failure = "model" | "unreadable" | "moved" | "tooLarge" | "memory" | "encoding" | "unexpected";

/** What a result does not have of the photo; `messages/*.json` has a sentence for each. */
export type Note = "approximate" | "sixteenBits" | "firstPage" | "noMetadata";

export type Stage = "decoding" | "predicting" | "rendering" | "encoding";

/** How much of a rendering the page needs: the small copy, which is fast; enough pixels for a screen; or all pixels. */
export type RenderSize = "small" | "screen" | "full";

/** A photo of the page and the settings that its colors get. */
export interface Source {
  /** Number of the photo, by which the worker recognizes the one that it has open. */
  readonly photo: number;
  readonly file: Blob;
  readonly options: Options;
}

export type Work =
  /** Colorize only the small copy of a photo, for its thumbnail. */
  | ({ readonly type: "preview" } & Source)
  /** Render a photo, which stays open in place of the one before. */
  | ({ readonly type: "render"; readonly size: RenderSize } & Source)
  /** Write a photo as a file with metadata. */
  | ({ readonly type: "encode"; readonly format: Format } & Source);

/** Load the network; this request comes first, and once. */
export interface Load {
  readonly type: "load";
  readonly modelUrl: string;
  readonly record: ModelRecord;
  readonly version: string;
  readonly statement: string;
  readonly files: RuntimeFiles;
}

export type Request =
  | Load
  | (Work & { readonly id: number })
  /** Give the memory of the open photo back. */
  | { readonly type: "close" };

/** A part of a photo; position and size are in pixels of the photo, and the bitmap may have fewer. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly bitmap: ImageBitmap;
}

/** The result of each type of work. */
export interface Results {
  readonly preview: { readonly thumbnail: Blob };
  readonly render: {
    readonly width: number;
    readonly height: number;
    readonly tiles: readonly Tile[];
    readonly notes: readonly Note[];
    readonly thumbnail: Blob | undefined;
    readonly seconds: number;
  };
  readonly encode: { readonly file: Blob };
}

export type Reply =
  | { readonly type: "loaded"; readonly threads: boolean }
  | { readonly type: "progress"; readonly id: number; readonly stage: Stage; readonly share: number }
  | { readonly type: "done"; readonly id: number; readonly result: Results[Work["type"]] }
  | { readonly type: "failed"; readonly id: number | undefined; readonly failure: Failure; readonly detail: string };
