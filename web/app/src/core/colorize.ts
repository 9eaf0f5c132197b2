/** From pixels to colorized pixels: the small copy, its colors, and their enlargement to full size. */

import type { Options } from "@page/types";
import { type Coefficients, enlarge, fit } from "./guided";
import { applyHints } from "./hints";
import { type Chroma, inputPx, type ModelRecord, type Network, predict } from "./network";
import { type Plane, roundHalfEven } from "./plane";
import { Renderer, type RenderStats } from "./render";
import { reducedLevels } from "./resize";

/** Shorter side of the small copy on which the guided filter works; the network's input is smaller still. */
const GUIDE_PX = 384;
/** Side of the cells of the network's input that get one color: the stride of the network's output. */
const CELL_PX = 4;
const WARM_A = 0.2;
/** Rows are rendered in strips of about this many pixels, so that progress can be reported. */
const STRIP_PIXELS = 1 << 20;

/** A photo's gray levels and the network's prediction, from which any settings give colors without the network. */
export interface Prediction {
  readonly levels: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly small: Plane;
  readonly chroma: Chroma;
  readonly radius: number;
}

/** Upright gray levels of a photo. */
export interface Levels {
  readonly height: number;
  readonly width: number;
  readonly levels: Uint8Array;
  /** The same levels before they were rounded, where the file has them. */
  readonly exact?: Float32Array | undefined;
}

/** Predicts the colors of a photo. */
export async function predictPhoto(network: Network, record: ModelRecord, { levels, exact, height, width }: Levels): Promise<Prediction> {
  const small = reducedLevels(exact ?? levels, height, width, Math.max(GUIDE_PX, inputPx(record)));
  const { a, b } = await predict(network, record, small);
  const cell = (CELL_PX * small.height) / a.height;
  const chroma = { a: enlarge(a, small.height, small.width), b: enlarge(b, small.height, small.width) };
  return { levels, height, width, small, chroma, radius: Math.max(2, roundHalfEven(cell)) };
}

/** Returns the coefficients that compute a photo's chroma from its gray levels, with the user's settings. */
export function coefficientsOf(prediction: Prediction, options: Options): Coefficients {
  const { small, chroma, radius } = prediction;
  const { a, b } = applyHints(small, adjusted(chroma, small, options), options.hints);
  return fit(small, a, b, radius);
}

/** Applies saturation and warmth; warmth leaves black and white unchanged. */
export function adjusted({ a, b }: Chroma, levels: Plane, { saturation, warmth }: Options): Chroma {
  const changed = (plane: Plane, share: number): Plane => ({
    ...plane,
    data: plane.data.map((value, index) => {
      const light = levels.data[index]! / 255;
      return value * saturation + share * warmth * 4 * light * (1 - light);
    }),
  });
  return { a: changed(a, WARM_A), b: changed(b, 1) };
}

/** Rows of a photo with the coefficients of their colors: what one worker renders. */
export interface Rows {
  readonly coefficients: Coefficients;
  /** Size of the whole photo. */
  readonly height: number;
  readonly width: number;
  /** The first row. */
  readonly first: number;
  /** Gray levels of these rows. */
  readonly levels: Uint8Array;
}

/**
 * Writes the colors of rows over their pixels and keeps their alpha.
 *
 * @param pixels RGBA of these rows, a number per pixel.
 * @param progress called after every strip with the share that is done.
 */
export function renderRows(
  { coefficients, height, width, first, levels }: Rows,
  pixels: Uint32Array,
  progress: (share: number) => void = () => undefined,
): RenderStats {
  const renderer = new Renderer(coefficients, height, width);
  const strip = Math.max(1, Math.floor(STRIP_PIXELS / width)) * width;
  for (let start = 0; start < levels.length; start += strip) {
    const stop = Math.min(levels.length, start + strip);
    renderer.render(first + start / width, levels.subarray(start, stop), pixels.subarray(start, stop));
    progress(stop / levels.length);
  }
  return renderer.stats;
}

/**
 * Writes a photo's colors over its pixels and keeps their alpha.
 *
 * @param rgba upright pixels, four bytes per pixel; the array must begin at a multiple of four bytes.
 */
export function renderPhoto(prediction: Prediction, options: Options, rgba: Uint8ClampedArray | Uint8Array): RenderStats {
  const { levels, height, width } = prediction;
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, height * width);
  return renderRows({ coefficients: coefficientsOf(prediction, options), height, width, first: 0, levels }, pixels);
}
