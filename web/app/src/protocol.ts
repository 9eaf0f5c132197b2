/** The messages between the page and the worker. */

import type { Encoded, Failure, Preview, Rendered, RenderSize, Source, Stage } from "@page/types";
import type { ModelRecord } from "./core/network";
import type { RuntimeFiles } from "./session";

export type Format = "image/jpeg" | "image/png" | "image/webp";

/** What a result does not have of the photo; `messages/*.json` has a sentence for each. */
export type Note = "approximate" | "sixteenBits" | "firstPage" | "leftOut" | "noMetadata" | "longMetadata";

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

/** The result of each type of work. */
export interface Results {
  readonly preview: Preview;
  readonly render: Rendered;
  readonly encode: Encoded;
}

export type Reply =
  | { readonly type: "loaded"; readonly threads: boolean }
  | { readonly type: "progress"; readonly id: number; readonly stage: Stage; readonly share: number }
  | { readonly type: "done"; readonly id: number; readonly result: Results[Work["type"]] }
  | { readonly type: "failed"; readonly id: number | undefined; readonly failure: Failure; readonly detail: string };
