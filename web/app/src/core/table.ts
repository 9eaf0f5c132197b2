/**
 * The table from gray level, a* and b* to 8-bit sRGB: the port of the table of `chromalab.colorization.render`.
 *
 * Its colors are in the gamut and rounded such that they keep the lightness of the gray level. The table has 9.8 million
 * entries (39 MB), so a photo needs one lookup per pixel.
 */

import { chromaLimit, decodeSrgb, encodeSrgb, fromF, grayLightness, HUES, LEVELS, lightnessOf, LUMINANCE, WHITE, XYZ_TO_RGB } from "./lab";
import { clamp, roundHalfEven } from "./plane";

/** The integers of a* and b* in the table, which cover all of sRGB. */
export const A_FIRST = -87;
export const A_COUNT = 187;
export const B_FIRST = -108;
export const B_COUNT = 204;
export const PLANE = A_COUNT * B_COUNT;

/** The highest byte of an entry: this bit if the chroma was reduced, below it the error of L*. */
export const SHRUNK = 0x80;
/** The error of L* that one step of an entry's note stands for. */
export const ERROR_STEP = 0.01;
/** The note of an entry without an error. */
export const ERROR_ZERO = 64;

const FINE = 65536;

let table: Uint32Array | undefined;

/** Returns the table: red in the lowest byte, green, blue, and a note in the highest byte. It is built once. */
export function colorTable(): Uint32Array {
  table ??= new TableBuilder().build();
  return table;
}

/** Uses a table that another worker has built. */
export function shareTable(entries: Uint32Array): void {
  table = entries;
}

/** Returns memory that several workers can read, where the browser allows it. */
function space(bytes: number): ArrayBuffer | SharedArrayBuffer {
  return globalThis.crossOriginIsolated ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
}

class TableBuilder {
  private readonly entries = new Uint32Array(space(4 * LEVELS * PLANE));
  private readonly hues = new Uint16Array(PLANE);
  private readonly chromas = new Float32Array(PLANE);
  /** The level of each of 65,536 linear values. */
  private readonly levelOf = new Uint8Array(FINE);
  /** L* of each of these values. */
  private readonly lightnessOf = new Float32Array(FINE + 1);
  /** The linear value of each level. */
  private readonly linearOf = Float32Array.from({ length: LEVELS }, (_, level) => decodeSrgb(level / (LEVELS - 1)));
  /** Shares of x and z in red and blue, for each a* and b* of the present level. */
  private readonly redX = new Float64Array(A_COUNT);
  private readonly blueX = new Float64Array(A_COUNT);
  private readonly redZ = new Float64Array(B_COUNT);
  private readonly blueZ = new Float64Array(B_COUNT);
  private readonly border = new Uint32Array(HUES);

  constructor() {
    for (let place = 0; place < FINE; place++) {
      this.levelOf[place] = roundHalfEven(encodeSrgb(place / (FINE - 1)) * (LEVELS - 1));
      this.lightnessOf[place] = lightnessOf(place / (FINE - 1));
    }
    this.lightnessOf[FINE] = 100;
    for (let place = 0; place < PLANE; place++) {
      const a = Math.floor(place / B_COUNT) + A_FIRST;
      const b = (place % B_COUNT) + B_FIRST;
      this.hues[place] = (roundHalfEven((Math.atan2(b, a) * 180) / Math.PI) + HUES) % HUES;
      this.chromas[place] = Math.hypot(a, b);
    }
  }

  build(): Uint32Array {
    const lightness = grayLightness();
    const limits = chromaLimit();
    for (let level = 0; level < LEVELS; level++) {
      this.fill(level, lightness[level]!, limits.subarray(level * HUES, (level + 1) * HUES));
    }
    return this.entries;
  }

  /** Fills in the colors of one gray level; a color outside the gamut gets the color of the border at its hue. */
  private fill(level: number, lightness: number, limits: Float32Array): void {
    const { entries, hues, chromas, border, redX, blueX, redZ, blueZ } = this;
    this.prepare(lightness);
    this.findBorder(level, lightness, limits);
    const y = this.linearOf[level]!;
    for (let a = 0, place = 0; a < A_COUNT; a++) {
      for (let b = 0; b < B_COUNT; b++, place++) {
        const chroma = chromas[place]!;
        const hue = hues[place]!;
        const inside = chroma <= limits[hue]! || chroma < 1; // grays are inside, even black and white
        entries[level * PLANE + place] = inside ? this.packed(y, lightness, redX[a]! + redZ[b]!, blueX[a]! + blueZ[b]!) : border[hue]!;
      }
    }
  }

  private prepare(lightness: number): void {
    const f = (lightness + 16) / 116;
    for (let a = 0; a < A_COUNT; a++) {
      const x = fromF(f + (a + A_FIRST) / 500) * WHITE[0];
      this.redX[a] = XYZ_TO_RGB[0]! * x;
      this.blueX[a] = XYZ_TO_RGB[6]! * x;
    }
    for (let b = 0; b < B_COUNT; b++) {
      const z = fromF(f - (b + B_FIRST) / 200) * WHITE[2];
      this.redZ[b] = XYZ_TO_RGB[2]! * z;
      this.blueZ[b] = XYZ_TO_RGB[8]! * z;
    }
  }

  private findBorder(level: number, lightness: number, limits: Float32Array): void {
    const f = (lightness + 16) / 116;
    for (let hue = 0; hue < HUES; hue++) {
      const angle = (hue * Math.PI) / 180;
      const x = fromF(f + (limits[hue]! * Math.cos(angle)) / 500) * WHITE[0];
      const z = fromF(f - (limits[hue]! * Math.sin(angle)) / 200) * WHITE[2];
      const red = XYZ_TO_RGB[0]! * x + XYZ_TO_RGB[2]! * z;
      const blue = XYZ_TO_RGB[6]! * x + XYZ_TO_RGB[8]! * z;
      this.border[hue] = this.packed(this.linearOf[level]!, lightness, red, blue) | (SHRUNK << 24);
    }
  }

  /**
   * Returns a color inside the gamut with the error of its lightness.
   *
   * Red and blue are rounded first. Green, which has the largest weight in luminance, is then chosen so that the
   * luminance is closest to that of the level.
   *
   * @param y luminance of the level.
   * @param redXZ linear red, without the share of y.
   * @param blueXZ linear blue, without the share of y.
   */
  private packed(y: number, lightness: number, redXZ: number, blueXZ: number): number {
    const red = this.levelOf[fine(redXZ + XYZ_TO_RGB[1]! * y)]!;
    const blue = this.levelOf[fine(blueXZ + XYZ_TO_RGB[7]! * y)]!;
    const rest = LUMINANCE[0] * this.linearOf[red]! + LUMINANCE[2] * this.linearOf[blue]!;
    const green = this.levelOf[fine((y - rest) / LUMINANCE[1])]!;
    const luminance = clamp(rest + LUMINANCE[1] * this.linearOf[green]!, 0, 1) * (FINE - 1);
    const below = luminance | 0;
    const low = this.lightnessOf[below]!;
    const error = low + (this.lightnessOf[below + 1]! - low) * (luminance - below) - lightness;
    const note = clamp(Math.floor(error / ERROR_STEP + 0.5) + ERROR_ZERO, 0, SHRUNK - 1);
    return red | (green << 8) | (blue << 16) | (note << 24);
  }
}

function fine(linear: number): number {
  return (clamp(linear, 0, 1) * (FINE - 1) + 0.5) | 0;
}
