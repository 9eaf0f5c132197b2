/** The messages between the page and the worker. */

import type { Options } from "./core/colorize";
import type { ModelRecord } from "./core/network";
import type { RenderStats } from "./core/render";
import type { RuntimeFiles } from "./session";

export type Format = "image/jpeg" | "image/png" | "image/webp";

/** What a request can fail with; `messages/*.json` has a sentence for each. */
export type Failure = "model" | "unreadable" | "tooLarge" | "memory" | "encoding" | "unexpected";

/** What a result does not have of the photo; `messages/*.json` has a sentence for each. */
export type Note = "approximate" | "sixteenBits" | "firstPage" | "noMetadata";

export type Stage = "loading" | "decoding" | "predicting" | "rendering";

export type Request =
  /** Load the network; this comes first, and once. */
  | { readonly type: "load"; readonly modelUrl: string; readonly record: ModelRecord; readonly version: string; readonly files: RuntimeFiles }
  /** Colorize a photo, which stays open in place of the one before. */
  | { readonly type: "colorize"; readonly id: number; readonly file: Blob; readonly options: Options }
  /** Render the open photo again with other settings. */
  | { readonly type: "adjust"; readonly id: number; readonly options: Options }
  /** Encode the open photo as a file with metadata. */
  | { readonly type: "encode"; readonly id: number; readonly format: Format; readonly statement: string };

export type Reply =
  | { readonly type: "loaded"; readonly threads: boolean }
  | { readonly type: "progress"; readonly id: number; readonly stage: Stage; readonly share: number }
  | { readonly type: "image"; readonly id: number; readonly bitmap: ImageBitmap; readonly stats: RenderStats; readonly notes: readonly Note[]; readonly seconds: number }
  | { readonly type: "file"; readonly id: number; readonly file: Blob }
  | { readonly type: "failed"; readonly id: number | undefined; readonly failure: Failure; readonly detail: string };
