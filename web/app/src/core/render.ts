/** Gray levels and the coefficients of the guided filter to 8-bit sRGB pixels, strip by strip. */

import { type Coefficients, neighbors, type Neighbors } from "./guided";
import { type Plane } from "./plane";
import { A_COUNT, A_FIRST, B_COUNT, B_FIRST, colorTable, ERROR_STEP, ERROR_ZERO, PLANE, SHRUNK } from "./table";

/** Statistics of rendering a photo. */
export interface RenderStats {
  /** Number of pixels rendered so far. */
  pixels: number;
  /** Number of pixels whose chroma was reduced to stay in the gamut. */
  shrunk: number;
  /** Largest absolute difference in L* between photo and output. */
  lightnessError: number;
}

/** Pixels of a row between two neighboring columns of the small copy, where coefficients are linear. */
interface Run {
  readonly start: number;
  readonly stop: number;
  /** The column on the left. */
  readonly lower: number;
  /** Weight of the column on the right at the first pixel, and its increase per pixel. */
  readonly share: number;
  readonly step: number;
}

/** Tolerance of weights in single precision. */
const SHARE_TOLERANCE = 1e-5;

/** Returns the runs of a row; beyond the outer columns the weights stay the same. */
export function runsOf({ lower, share }: Neighbors): Run[] {
  const runs: Run[] = [];
  for (let start = 0, stop = 0; start < lower.length; start = stop) {
    const step = start + 1 < lower.length && lower[start + 1] === lower[start] ? share[start + 1]! - share[start]! : 0;
    for (stop = start + 1; stop < lower.length && lower[stop] === lower[start]; stop++) {
      if (Math.abs(share[stop]! - share[start]! - step * (stop - start)) > SHARE_TOLERANCE) break;
    }
    runs.push({ start, stop, lower: lower[start]!, share: share[start]!, step });
  }
  return runs;
}

/**
 * Computes the pixels of one photo.
 */
export class Renderer {
  readonly stats: RenderStats = { pixels: 0, shrunk: 0, lightnessError: 0 };
  private readonly table = colorTable();
  private readonly planes: readonly [Plane, Plane, Plane, Plane];
  private readonly rows: Neighbors;
  private readonly runs: readonly Run[];
  /** The coefficients of the present row at the columns of the small copy; the last column is repeated. */
  private readonly line: readonly [Float64Array, Float64Array, Float64Array, Float64Array];

  constructor(
    { slopeA, slopeB, offsetA, offsetB }: Coefficients,
    height: number,
    private readonly width: number,
  ) {
    this.planes = [slopeA, slopeB, offsetA, offsetB];
    this.rows = neighbors(slopeA.height, height);
    this.runs = runsOf(neighbors(slopeA.width, width));
    const line = (): Float64Array => new Float64Array(slopeA.width + 1);
    this.line = [line(), line(), line(), line()];
  }

  /**
   * Writes the colors of a strip.
   *
   * @param first row of the photo that the strip begins with.
   * @param levels gray levels of the strip's rows.
   * @param rgba pixels of the strip's rows, of which the red, green and blue are replaced and the alpha is kept.
   */
  render(first: number, levels: Uint8Array, rgba: Uint32Array): void {
    for (let start = 0, row = first; start < levels.length; start += this.width, row++) {
      this.planes.forEach((plane, number) => interpolateRow(plane, this.rows.lower[row]!, this.rows.share[row]!, this.line[number]!));
      for (const run of this.runs) this.renderRun(run, start, levels, rgba);
    }
    this.stats.pixels += levels.length;
  }

  private renderRun({ start, stop, lower, share, step }: Run, row: number, levels: Uint8Array, rgba: Uint32Array): void {
    const { table, stats } = this;
    const [lineSlopeA, lineSlopeB, lineOffsetA, lineOffsetB] = this.line;
    const spanSlopeA = lineSlopeA[lower + 1]! - lineSlopeA[lower]!;
    const spanSlopeB = lineSlopeB[lower + 1]! - lineSlopeB[lower]!;
    const spanOffsetA = lineOffsetA[lower + 1]! - lineOffsetA[lower]!;
    const spanOffsetB = lineOffsetB[lower + 1]! - lineOffsetB[lower]!;
    let slopeA = lineSlopeA[lower]! + share * spanSlopeA;
    let slopeB = lineSlopeB[lower]! + share * spanSlopeB;
    let offsetA = lineOffsetA[lower]! + share * spanOffsetA - A_FIRST + 0.5;
    let offsetB = lineOffsetB[lower]! + share * spanOffsetB - B_FIRST + 0.5;
    let shrunk = 0;
    let low = ERROR_ZERO;
    let high = ERROR_ZERO;
    for (let place = row + start; place < row + stop; place++) {
      const level = levels[place]!;
      let column = (slopeA * level + offsetA) | 0; // negative values become 0 below, so this rounds as it should
      let line = (slopeB * level + offsetB) | 0;
      column = column < 0 ? 0 : column >= A_COUNT ? A_COUNT - 1 : column;
      line = line < 0 ? 0 : line >= B_COUNT ? B_COUNT - 1 : line;
      const entry = table[level * PLANE + column * B_COUNT + line]!;
      const note = (entry >>> 24) & ~SHRUNK;
      shrunk += entry >>> 31;
      if (note < low) low = note;
      if (note > high) high = note;
      rgba[place] = (entry & 0xffffff) | (rgba[place]! & 0xff000000);
      slopeA += step * spanSlopeA;
      slopeB += step * spanSlopeB;
      offsetA += step * spanOffsetA;
      offsetB += step * spanOffsetB;
    }
    stats.shrunk += shrunk;
    stats.lightnessError = Math.max(stats.lightnessError, Math.max(high - ERROR_ZERO, ERROR_ZERO - low) * ERROR_STEP);
  }
}

/** Writes a row between two rows of a plane, and repeats its last value. */
function interpolateRow({ data, height, width }: Plane, row: number, share: number, out: Float64Array): void {
  const upper = row * width;
  const lower = Math.min(row + 1, height - 1) * width;
  for (let x = 0; x < width; x++) out[x] = data[upper + x]! + (data[lower + x]! - data[upper + x]!) * share;
  out[width] = out[width - 1]!;
}
