/**
 * The guided filter, which enlarges the chroma of a small copy along the photo's own edges.
 *
 * He, Sun, Tang: "Guided Image Filtering", 2013; He, Sun: "Fast Guided Filter", 2015, arXiv:1505.00996. The port of
 * `chromalab.colorization.guided`: at full size, chroma is the slope times the gray level plus the offset.
 */

import { clamp, type Plane, zeros } from "./plane";

/** Variance of the guide, in [0, 1], below which a difference counts as texture or grain and not as an edge. */
const EPSILON = 0.0016;

/** Coefficients of chroma = slope * level + offset at the size of the small copy. */
export interface Coefficients {
  readonly slopeA: Plane;
  readonly slopeB: Plane;
  readonly offsetA: Plane;
  readonly offsetB: Plane;
}

/**
 * Returns the guided filter's coefficients.
 *
 * @param guide gray levels, 0 to 255.
 * @param a a* at the same size.
 * @param b b* at the same size.
 * @param radius half the side of the windows, in pixels.
 */
export function fit(guide: Plane, a: Plane, b: Plane, radius: number): Coefficients {
  const level = mapped(guide, (value) => value / 255);
  const meanLevel = boxMean(level, radius);
  const meanSquare = boxMean(product(level, level), radius);
  const variance = combined(meanSquare, meanLevel, (square, mean) => square - Math.fround(mean * mean));
  const [slopeA, offsetA] = fitOne(level, meanLevel, variance, a, radius);
  const [slopeB, offsetB] = fitOne(level, meanLevel, variance, b, radius);
  return { slopeA, slopeB, offsetA, offsetB };
}

function fitOne(level: Plane, meanLevel: Plane, variance: Plane, chroma: Plane, radius: number): [Plane, Plane] {
  const mean = boxMean(chroma, radius);
  const covariance = combined(boxMean(product(level, chroma), radius), product(meanLevel, mean), (both, apart) => both - apart);
  const slope = combined(covariance, variance, (share, spread) => share / Math.fround(spread + EPSILON));
  const offset = combined(mean, product(slope, meanLevel), (value, part) => value - part);
  return [mapped(boxMean(slope, radius), (value) => value / 255), boxMean(offset, radius)];
}

function mapped(plane: Plane, change: (value: number) => number): Plane {
  return { ...plane, data: plane.data.map(change) };
}

function combined(one: Plane, other: Plane, join: (one: number, other: number) => number): Plane {
  const out = zeros(one.height, one.width);
  for (let index = 0; index < out.data.length; index++) out.data[index] = join(one.data[index]!, other.data[index]!);
  return out;
}

function product(one: Plane, other: Plane): Plane {
  return combined(one, other, (left, right) => left * right);
}

/** Returns the mean of a plane over square windows of side 2 * radius + 1; edge values continue outside. */
export function boxMean(plane: Plane, radius: number): Plane {
  const { height, width } = plane;
  const down = zeros(height, width);
  const across = zeros(height, width);
  for (let x = 0; x < width; x++) boxLine(plane.data, down.data, x, width, height, radius);
  for (let y = 0; y < height; y++) boxLine(down.data, across.data, y * width, 1, width, radius);
  return across;
}

/** Averages one line of `count` values, `step` apart, with a running sum. */
function boxLine(from: Float32Array, to: Float32Array, start: number, step: number, count: number, radius: number): void {
  const side = 2 * radius + 1;
  const last = count - 1;
  let sum = 0;
  for (let offset = -radius; offset <= radius; offset++) sum += from[start + clamp(offset, 0, last) * step]!;
  to[start] = sum / side;
  for (let index = 1; index < count; index++) {
    sum += from[start + Math.min(index + radius, last) * step]!;
    sum -= from[start + Math.max(index - radius - 1, 0) * step]!;
    to[start + index * step] = sum / side;
  }
}

/** For each of the pixels of a full-size side: the lower neighbor on the small side, and the upper one's weight. */
export interface Neighbors {
  readonly lower: Int32Array;
  readonly share: Float32Array;
}

/** Returns the neighbors of `full` pixels among `count` pixels; pixel centers are mapped in proportion. */
export function neighbors(count: number, full: number): Neighbors {
  const lower = new Int32Array(full);
  const share = new Float32Array(full);
  for (let index = 0; index < full; index++) {
    const place = clamp((index + 0.5) * (count / full) - 0.5, 0, count - 1);
    lower[index] = Math.min(Math.floor(place), Math.max(0, count - 2));
    share[index] = place - lower[index]!;
  }
  return { lower, share };
}

/** Writes one row of a plane, enlarged or reduced to the width of `out`. */
export function stretchRow(plane: Plane, row: number, columns: Neighbors, out: Float32Array): void {
  const start = row * plane.width;
  const last = plane.width - 1;
  for (let x = 0; x < out.length; x++) {
    const left = columns.lower[x]!;
    const from = plane.data[start + left]!;
    out[x] = from + (plane.data[start + Math.min(left + 1, last)]! - from) * columns.share[x]!;
  }
}

/** Scales a plane up or down, linearly between pixel centers. */
export function enlarge(plane: Plane, height: number, width: number): Plane {
  const rows = neighbors(plane.height, height);
  const columns = neighbors(plane.width, width);
  const wide = zeros(plane.height, width);
  for (let row = 0; row < plane.height; row++) stretchRow(plane, row, columns, wide.data.subarray(row * width, (row + 1) * width));
  const out = zeros(height, width);
  for (let y = 0; y < height; y++) {
    const upper = rows.lower[y]! * width;
    const lower = Math.min(rows.lower[y]! + 1, plane.height - 1) * width;
    const share = rows.share[y]!;
    for (let x = 0; x < width; x++) {
      const from = wide.data[upper + x]!;
      out.data[y * width + x] = from + (wide.data[lower + x]! - from) * share;
    }
  }
  return out;
}
