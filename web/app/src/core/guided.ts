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
  const { height, width } = guide;
  const level = zeros(height, width);
  const square = zeros(height, width);
  for (let i = 0; i < level.data.length; i++) {
    level.data[i] = guide.data[i]! / 255;
    square.data[i] = level.data[i]! * level.data[i]!;
  }
  const meanLevel = boxMean(level, radius);
  const variance = boxMean(square, radius);
  for (let i = 0; i < level.data.length; i++) variance.data[i]! -= Math.fround(meanLevel.data[i]! * meanLevel.data[i]!);
  const [slopeA, offsetA] = fitOne(level, meanLevel, variance, a, radius);
  const [slopeB, offsetB] = fitOne(level, meanLevel, variance, b, radius);
  return { slopeA, slopeB, offsetA, offsetB };
}

function fitOne(level: Plane, meanLevel: Plane, variance: Plane, chroma: Plane, radius: number): [Plane, Plane] {
  const product = zeros(level.height, level.width);
  for (let i = 0; i < product.data.length; i++) product.data[i] = level.data[i]! * chroma.data[i]!;
  const mean = boxMean(chroma, radius);
  const slope = boxMean(product, radius);
  const offset = product; // its values are no longer needed
  for (let i = 0; i < slope.data.length; i++) {
    const covariance = slope.data[i]! - Math.fround(meanLevel.data[i]! * mean.data[i]!);
    slope.data[i] = covariance / (variance.data[i]! + EPSILON);
    offset.data[i] = mean.data[i]! - slope.data[i]! * meanLevel.data[i]!;
  }
  const smooth = boxMean(slope, radius);
  for (let i = 0; i < smooth.data.length; i++) smooth.data[i]! /= 255;
  return [smooth, boxMean(offset, radius)];
}

/** Returns the mean of a plane over square windows of side 2 * radius + 1; edge values continue outside. */
export function boxMean({ data, height, width }: Plane, radius: number): Plane {
  const out = zeros(height, width);
  const sums = new Float64Array(width);
  const row = new Float32Array(width);
  for (let y = -radius; y <= radius; y++) addRow(sums, data, clamp(y, 0, height - 1) * width, 1);
  for (let y = 0; y < height; y++) {
    if (y > 0) {
      addRow(sums, data, Math.min(y + radius, height - 1) * width, 1);
      addRow(sums, data, Math.max(y - radius - 1, 0) * width, -1);
    }
    for (let x = 0; x < width; x++) row[x] = sums[x]! / (2 * radius + 1);
    averageLine(row, out.data, y * width, radius);
  }
  return out;
}

function addRow(sums: Float64Array, data: Float32Array, start: number, sign: number): void {
  for (let x = 0; x < sums.length; x++) sums[x]! += sign * data[start + x]!;
}

/** Averages a line with a running sum. */
function averageLine(line: Float32Array, out: Float32Array, start: number, radius: number): void {
  const side = 2 * radius + 1;
  const last = line.length - 1;
  let sum = 0;
  for (let offset = -radius; offset <= radius; offset++) sum += line[clamp(offset, 0, last)]!;
  out[start] = sum / side;
  for (let x = 1; x <= last; x++) {
    sum += line[Math.min(x + radius, last)]! - line[Math.max(x - radius - 1, 0)]!;
    out[start + x] = sum / side;
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
function stretchRow(plane: Plane, row: number, columns: Neighbors, out: Float32Array): void {
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
