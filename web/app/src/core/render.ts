/** Gray levels and the coefficients of the guided filter to 8-bit sRGB pixels, strip by strip. */

import { type Coefficients, neighbors, type Neighbors, stretchRow } from "./guided";
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

/** Two neighboring rows of one coefficient at the photo's width, and the difference between them. */
class RowPair {
  readonly upper: Float32Array;
  readonly step: Float32Array;
  private readonly lower: Float32Array;

  constructor(
    private readonly plane: Plane,
    private readonly columns: Neighbors,
    width: number,
  ) {
    this.upper = new Float32Array(width);
    this.lower = new Float32Array(width);
    this.step = new Float32Array(width);
  }

  moveTo(row: number): void {
    stretchRow(this.plane, row, this.columns, this.upper);
    stretchRow(this.plane, Math.min(row + 1, this.plane.height - 1), this.columns, this.lower);
    for (let x = 0; x < this.step.length; x++) this.step[x] = this.lower[x]! - this.upper[x]!;
  }
}

/**
 * Computes the pixels of one photo. Strips of rows must come from top to bottom to be fast.
 */
export class Renderer {
  readonly stats: RenderStats = { pixels: 0, shrunk: 0, lightnessError: 0 };
  private readonly pairs: readonly [RowPair, RowPair, RowPair, RowPair];
  private readonly rows: Neighbors;
  private current = -1;

  constructor(
    coefficients: Coefficients,
    height: number,
    private readonly width: number,
  ) {
    const { slopeA, slopeB, offsetA, offsetB } = coefficients;
    const columns = neighbors(slopeA.width, width);
    this.rows = neighbors(slopeA.height, height);
    const pair = (plane: Plane): RowPair => new RowPair(plane, columns, width);
    this.pairs = [pair(slopeA), pair(slopeB), pair(offsetA), pair(offsetB)];
  }

  /**
   * Writes the colors of a strip.
   *
   * @param first row of the photo that the strip begins with.
   * @param levels gray levels of the strip's rows.
   * @param rgba pixels of the strip's rows, of which the red, green and blue are replaced and the alpha is kept.
   */
  render(first: number, levels: Uint8Array, rgba: Uint32Array): void {
    const rows = levels.length / this.width;
    for (let row = 0; row < rows; row++) {
      const upper = this.rows.lower[first + row]!;
      if (upper !== this.current) {
        for (const pair of this.pairs) pair.moveTo(upper);
        this.current = upper;
      }
      this.renderRow(row * this.width, this.rows.share[first + row]!, levels, rgba);
    }
    this.stats.pixels += levels.length;
  }

  private renderRow(start: number, share: number, levels: Uint8Array, rgba: Uint32Array): void {
    const table = colorTable();
    const [{ upper: slopeA, step: slopeAStep }, { upper: slopeB, step: slopeBStep }] = this.pairs;
    const [, , { upper: offsetA, step: offsetAStep }, { upper: offsetB, step: offsetBStep }] = this.pairs;
    let shrunk = 0;
    let low = ERROR_ZERO;
    let high = ERROR_ZERO;
    for (let x = 0; x < this.width; x++) {
      const level = levels[start + x]!;
      const a = (slopeA[x]! + slopeAStep[x]! * share) * level + offsetA[x]! + offsetAStep[x]! * share;
      const b = (slopeB[x]! + slopeBStep[x]! * share) * level + offsetB[x]! + offsetBStep[x]! * share;
      let column = Math.floor(a - A_FIRST + 0.5);
      let place = Math.floor(b - B_FIRST + 0.5);
      column = column < 0 ? 0 : column >= A_COUNT ? A_COUNT - 1 : column;
      place = place < 0 ? 0 : place >= B_COUNT ? B_COUNT - 1 : place;
      const entry = table[level * PLANE + column * B_COUNT + place]!;
      const note = (entry >>> 24) & ~SHRUNK;
      shrunk += entry >>> 31;
      if (note < low) low = note;
      if (note > high) high = note;
      rgba[start + x] = (entry & 0xffffff) | (rgba[start + x]! & 0xff000000);
    }
    this.stats.shrunk += shrunk;
    this.stats.lightnessError = Math.max(this.stats.lightnessError, Math.max(high - ERROR_ZERO, ERROR_ZERO - low) * ERROR_STEP);
  }
}
