/**
 * CIELAB, sRGB and its gamut: the port of `chromalab.color.lab`.
 *
 * The white point is D65 for the 2 degree observer, with the matrix and transfer curve of IEC 61966-2-1.
 */

import { clamp } from "./plane";

/** Linear sRGB to XYZ, by rows, with the same digits as in the Python code. */
const RGB_TO_XYZ = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227] as const;

/** XYZ of D65. */
export const WHITE = [0.95047, 1.0, 1.08883] as const;

/** Weights of linear R, G and B in the luminance Y; their sum is 1. */
export const LUMINANCE = [RGB_TO_XYZ[3], RGB_TO_XYZ[4], RGB_TO_XYZ[5]] as const;

/** XYZ to linear sRGB, by rows. */
export const XYZ_TO_RGB = inverse(RGB_TO_XYZ);

/** Number of hues in the table of the gamut's boundary, one degree apart. */
export const HUES = 360;

/** Number of 8-bit gray levels. */
export const LEVELS = 256;

const EPSILON = (6 / 29) ** 3;
const SLOPE = (29 / 6) ** 2 / 3;
const KNEE_ENCODED = 0.04045;
const KNEE_LINEAR = 0.0031308;
/** Safety margin of the gamut's boundary in CIELAB units, because interpolation overshoots at its corners. */
const MARGIN = 0.25;
const GAMUT_TOLERANCE = 1e-6;
const LARGEST_CHROMA = 140;
const BISECTIONS = 11;

function inverse(matrix: readonly number[]): readonly number[] {
  const [a, b, c, d, e, f, g, h, i] = matrix as [number, number, number, number, number, number, number, number, number];
  const cofactors = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f, d * h - e * g, b * g - a * h, a * e - b * d];
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return cofactors.map((value) => value / determinant);
}

/** Returns the linear value of an encoded sRGB value; negative values stay on the linear part of the curve. */
export function decodeSrgb(encoded: number): number {
  return encoded <= KNEE_ENCODED ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4;
}

/** Returns the encoded sRGB value of a linear value, the inverse of `decodeSrgb`. */
export function encodeSrgb(linear: number): number {
  return linear <= KNEE_LINEAR ? linear * 12.92 : 1.055 * linear ** (1 / 2.4) - 0.055;
}

/** Returns L* in [0, 100] of a luminance Y in [0, 1]. */
export function lightnessOf(luminance: number): number {
  return luminance > EPSILON ? 116 * Math.cbrt(luminance) - 16 : luminance * (SLOPE * 116);
}

/** Returns the luminance Y in [0, 1] of L*, the inverse of `lightnessOf`. */
export function luminanceOf(lightness: number): number {
  return fromF((lightness + 16) / 116);
}

/** Returns the XYZ ratio of a value of CIELAB's function f. */
export function fromF(f: number): number {
  return f > 6 / 29 ? f * f * f : (f - 4 / 29) / SLOPE;
}

function toF(ratio: number): number {
  return ratio > EPSILON ? Math.cbrt(ratio) : ratio * SLOPE + 4 / 29;
}

/** Converts sRGB in [0, 1] to CIELAB; both are written to and read from arrays of three values. */
export function rgbToLab(red: number, green: number, blue: number, out: Float32Array | number[] = [0, 0, 0]): typeof out {
  const r = decodeSrgb(red);
  const g = decodeSrgb(green);
  const b = decodeSrgb(blue);
  const fx = toF((RGB_TO_XYZ[0] * r + RGB_TO_XYZ[1] * g + RGB_TO_XYZ[2] * b) / WHITE[0]);
  const fy = toF((RGB_TO_XYZ[3] * r + RGB_TO_XYZ[4] * g + RGB_TO_XYZ[5] * b) / WHITE[1]);
  const fz = toF((RGB_TO_XYZ[6] * r + RGB_TO_XYZ[7] * g + RGB_TO_XYZ[8] * b) / WHITE[2]);
  out[0] = 116 * fy - 16;
  out[1] = 500 * (fx - fy);
  out[2] = 200 * (fy - fz);
  return out;
}

/** Converts CIELAB to linear RGB in an array of three values; outside [0, 1] where the color is outside the gamut. */
export function labToLinear(lightness: number, a: number, b: number, out: Float32Array | number[] = [0, 0, 0]): typeof out {
  const f = (lightness + 16) / 116;
  const x = fromF(f + a / 500) * WHITE[0];
  const y = fromF(f) * WHITE[1];
  const z = fromF(f - b / 200) * WHITE[2];
  for (let row = 0; row < 3; row++) {
    out[row] = XYZ_TO_RGB[3 * row]! * x + XYZ_TO_RGB[3 * row + 1]! * y + XYZ_TO_RGB[3 * row + 2]! * z;
  }
  return out;
}

/** Returns L* of the 256 grays from black to white. */
export function grayLightness(): Float64Array {
  return Float64Array.from({ length: LEVELS }, (_, level) => lightnessOf(decodeSrgb(level / (LEVELS - 1))));
}

let limits: Float32Array | undefined;

/**
 * Returns the largest chroma inside sRGB for every gray level and every hue, (256, 360), found by bisection.
 *
 * All colors of the same lightness and hue with less chroma are also inside, because a ray from the gray axis at
 * constant lightness leaves the gamut only once.
 */
export function chromaLimit(): Float32Array {
  limits ??= foundLimits();
  return limits;
}

function foundLimits(): Float32Array {
  const table = new Float32Array(LEVELS * HUES);
  const lightness = grayLightness();
  for (let hue = 0; hue < HUES; hue++) {
    const angle = (hue * 2 * Math.PI) / HUES;
    const perX = Math.cos(angle) / 500;
    const perZ = -Math.sin(angle) / 200;
    for (let level = 0; level < LEVELS; level++) {
      const f = (lightness[level]! + 16) / 116;
      const y = fromF(f);
      let low = 0;
      let high = LARGEST_CHROMA;
      for (let step = 0; step < BISECTIONS; step++) {
        const middle = (low + high) / 2;
        if (isInside(fromF(f + middle * perX), y, fromF(f + middle * perZ))) low = middle;
        else high = middle;
      }
      table[level * HUES + hue] = Math.max(low - MARGIN, 0);
    }
  }
  return table;
}

const [RED_X, RED_Y, RED_Z, GREEN_X, GREEN_Y, GREEN_Z, BLUE_X, BLUE_Y, BLUE_Z] = XYZ_TO_RGB.map((value, place) => value * WHITE[place % 3]!) as [
  number, number, number, number, number, number, number, number, number,
];

/** Whether a color, given as ratios to the white point, lies in the gamut. */
function isInside(x: number, y: number, z: number): boolean {
  const red = RED_X * x + RED_Y * y + RED_Z * z;
  const green = GREEN_X * x + GREEN_Y * y + GREEN_Z * z;
  const blue = BLUE_X * x + BLUE_Y * y + BLUE_Z * z;
  return Math.min(red, green, blue) >= -GAMUT_TOLERANCE && Math.max(red, green, blue) <= 1 + GAMUT_TOLERANCE;
}

/**
 * Returns the factor on the chroma, 0 to 1, that moves a color into sRGB at constant lightness and hue.
 *
 * @param level fractional gray level of the lightness, 0 to 255.
 */
export function shrinkIntoGamut(level: number, a: number, b: number): number {
  const limit = chromaLimitAt(level, Math.atan2(b, a));
  return Math.min(1, limit / Math.max(Math.hypot(a, b), 1e-6));
}

/** Returns the largest chroma at a gray level (0 to 255) and a hue in radians, interpolated. */
function chromaLimitAt(level: number, hue: number): number {
  const table = chromaLimit();
  const turns = hue * (HUES / (2 * Math.PI));
  const place = ((turns % HUES) + HUES) % HUES;
  const left = Math.min(Math.floor(place), HUES - 1);
  const right = left + 1 === HUES ? 0 : left + 1;
  const inside = clamp(level, 0, LEVELS - 1);
  const below = Math.floor(inside);
  const above = Math.min(below + 1, LEVELS - 1);
  const t = place - left;
  const s = inside - below;
  const low = table[below * HUES + left]! * (1 - t) + table[below * HUES + right]! * t;
  const high = table[above * HUES + left]! * (1 - t) + table[above * HUES + right]! * t;
  return low * (1 - s) + high * s;
}
