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

interface Curves {
  /** The level of each of 65,536 linear values. */
  readonly level: Uint8Array;
  /** The linear value of each level. */
  readonly linear: Float32Array;
}

let table: Uint32Array | undefined;

/** Returns the table: red in the lowest byte, green, blue, and a note in the highest byte. It is built once. */
export function colorTable(): Uint32Array {
  table ??= built();
  return table;
}

function built(): Uint32Array {
  const entries = new Uint32Array(LEVELS * PLANE);
  const curves: Curves = {
    level: Uint8Array.from({ length: FINE }, (_, place) => roundHalfEven(encodeSrgb(place / (FINE - 1)) * (LEVELS - 1))),
    linear: Float32Array.from({ length: LEVELS }, (_, level) => decodeSrgb(level / (LEVELS - 1))),
  };
  const hues = new Uint16Array(PLANE);
  const chromas = new Float32Array(PLANE);
  for (let place = 0; place < PLANE; place++) {
    const a = Math.floor(place / B_COUNT) + A_FIRST;
    const b = (place % B_COUNT) + B_FIRST;
    hues[place] = (roundHalfEven((Math.atan2(b, a) * 180) / Math.PI) + HUES) % HUES;
    chromas[place] = Math.hypot(a, b);
  }
  const lightness = grayLightness();
  for (let level = 0; level < LEVELS; level++) {
    fill(entries.subarray(level * PLANE, (level + 1) * PLANE), level, lightness[level]!, hues, chromas, curves);
  }
  return entries;
}

/** Fills in the colors of one gray level; a color outside the gamut gets the color of the border at its hue. */
function fill(entries: Uint32Array, level: number, lightness: number, hues: Uint16Array, chromas: Float32Array, curves: Curves): void {
  const limits = chromaLimit().subarray(level * HUES, (level + 1) * HUES);
  const border = new Uint32Array(HUES);
  for (let hue = 0; hue < HUES; hue++) {
    const angle = (hue * Math.PI) / 180;
    border[hue] = packed(level, lightness, limits[hue]! * Math.cos(angle), limits[hue]! * Math.sin(angle), curves) | (SHRUNK << 24);
  }
  for (let a = 0, place = 0; a < A_COUNT; a++) {
    for (let b = 0; b < B_COUNT; b++, place++) {
      const chroma = chromas[place]!;
      const hue = hues[place]!;
      const inside = chroma <= limits[hue]! || chroma < 1; // grays are inside, even black and white
      entries[place] = inside ? packed(level, lightness, a + A_FIRST, b + B_FIRST, curves) : border[hue]!;
    }
  }
}

/**
 * Returns a color inside the gamut with the error of its lightness.
 *
 * Red and blue are rounded first. Green, which has the largest weight in luminance, is then chosen so that the
 * luminance is closest to that of the level.
 */
function packed(level: number, lightness: number, a: number, b: number, curves: Curves): number {
  const y = curves.linear[level]!;
  const f = (lightness + 16) / 116;
  const x = fromF(f + a / 500) * WHITE[0];
  const z = fromF(f - b / 200) * WHITE[2];
  const red = curves.level[fine(XYZ_TO_RGB[0]! * x + XYZ_TO_RGB[1]! * y + XYZ_TO_RGB[2]! * z)]!;
  const blue = curves.level[fine(XYZ_TO_RGB[6]! * x + XYZ_TO_RGB[7]! * y + XYZ_TO_RGB[8]! * z)]!;
  const rest = LUMINANCE[0] * curves.linear[red]! + LUMINANCE[2] * curves.linear[blue]!;
  const green = curves.level[fine((y - rest) / LUMINANCE[1])]!;
  const error = lightnessOf(rest + LUMINANCE[1] * curves.linear[green]!) - lightness;
  const note = clamp(roundHalfEven(error / ERROR_STEP) + ERROR_ZERO, 0, SHRUNK - 1);
  return red | (green << 8) | (blue << 16) | (note << 24);
}

function fine(linear: number): number {
  return Math.floor(clamp(linear, 0, 1) * (FINE - 1) + 0.5);
}
