/** Rendering in two workers, which halves the time on two or more processor cores. */

import type { Options } from "@page/types";
import { coefficientsOf, type Prediction, renderRows, type Rows } from "./core/colorize";
import type { RenderStats } from "./core/render";
import { shareTable } from "./core/table";

/** Smaller photos are rendered faster than their rows are sent to another worker. */
const SHARED_PIXELS = 1_000_000;

interface Rendered {
  readonly pixels: Uint32Array;
  readonly stats: RenderStats;
}

export class Rendering {
  private readonly helper = new Worker(new URL("./rows-worker.ts", import.meta.url), { type: "module" });
  /** Fulfilled when the helper has built the table of colors, which both workers use. */
  readonly ready: Promise<void>;

  constructor() {
    this.ready = this.reply<Uint32Array>().then(shareTable);
  }

  /**
   * Writes a photo's colors over its pixels and keeps their alpha.
   *
   * @param rgba upright pixels, four bytes per pixel; the array must begin at a multiple of four bytes.
   * @param progress called with the share that is done.
   */
  async render(prediction: Prediction, options: Options, rgba: Uint8ClampedArray, progress: (share: number) => void): Promise<RenderStats> {
    const { levels, height, width } = prediction;
    const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, height * width);
    const coefficients = coefficientsOf(prediction, options);
    await this.ready;
    const own = levels.length < SHARED_PIXELS ? height : height >> 1;
    const rows = (first: number, last: number): Rows => ({ coefficients, height, width, first, levels: levels.subarray(first * width, last * width) });
    const others = own < height ? this.send({ ...rows(own, height), levels: levels.slice(own * width) }) : undefined;
    const stats = renderRows(rows(0, own), pixels, progress);
    if (others === undefined) return stats;
    const { pixels: further, stats: furtherStats } = await others;
    insert(further, pixels.subarray(own * width));
    return combined(stats, furtherStats);
  }

  private send(rows: Rows): Promise<Rendered> {
    const reply = this.reply<Rendered>();
    this.helper.postMessage(rows, [rows.levels.buffer]);
    return reply;
  }

  private reply<Type>(): Promise<Type> {
    return new Promise((resolve, reject) => {
      this.helper.onmessage = ({ data }: MessageEvent<Type>): void => resolve(data);
      this.helper.onerror = ({ message }): void => reject(new Error(message));
    });
  }
}

/** Writes colors over pixels and keeps their alpha. */
export function insert(colors: Uint32Array, pixels: Uint32Array): void {
  for (let place = 0; place < colors.length; place++) pixels[place] = (colors[place]! & 0xffffff) | (pixels[place]! & 0xff000000);
}

function combined(one: RenderStats, other: RenderStats): RenderStats {
  return {
    pixels: one.pixels + other.pixels,
    shrunk: one.shrunk + other.shrunk,
    lightnessError: Math.max(one.lightnessError, other.lightnessError),
  };
}
