/**
 * Gray levels: for every pixel the sRGB value of the neutral color with the same luminance, from 0 to 255.
 *
 * Three tables of linear values in 16 bits, their mean, and a table back give the rounding of the Python code
 * (`chromalab.photo.luminance`). The browser has converted the pixels to sRGB before.
 */

import { decodeSrgb, encodeSrgb, LUMINANCE } from "./lab";
import { clamp, roundHalfEven } from "./plane";

const FINE = 65535;

let ramps: readonly [Uint16Array, Uint16Array, Uint16Array] | undefined;
let levelOfMean: Uint8Array | undefined;

function luminanceRamps(): readonly [Uint16Array, Uint16Array, Uint16Array] {
  const total = LUMINANCE[0] + LUMINANCE[1] + LUMINANCE[2];
  const largest = LUMINANCE[1] / total;
  const ramp = (weight: number): Uint16Array =>
    Uint16Array.from({ length: 256 }, (_, value) =>
      roundHalfEven(((weight * decodeSrgb(value / 255)) / total / largest) * FINE),
    );
  return [ramp(LUMINANCE[0]), ramp(LUMINANCE[1]), ramp(LUMINANCE[2])];
}

function levelTable(): Uint8Array {
  const largest = LUMINANCE[1] / (LUMINANCE[0] + LUMINANCE[1] + LUMINANCE[2]);
  return Uint8Array.from({ length: FINE + 1 }, (_, mean) =>
    roundHalfEven(encodeSrgb(clamp((mean / FINE) * 3 * largest, 0, 1)) * 255),
  );
}

/**
 * Writes the gray levels of RGBA pixels.
 *
 * @param rgba encoded sRGB, four bytes per pixel; the array must begin at a multiple of four bytes.
 * @param out one byte per pixel.
 */
export function levelsOf(rgba: Uint8ClampedArray | Uint8Array, out: Uint8Array): void {
  ramps ??= luminanceRamps();
  levelOfMean ??= levelTable();
  const [reds, greens, blues] = ramps;
  const pixels = new Uint32Array(rgba.buffer, rgba.byteOffset, out.length);
  for (let pixel = 0; pixel < out.length; pixel++) {
    const packed = pixels[pixel]!;
    if (((packed >>> 8) & 0xffff) === (packed & 0xffff)) {
      out[pixel] = packed; // a gray photo keeps its own values
      continue;
    }
    const sum = reds[packed & 255]! + greens[(packed >>> 8) & 255]! + blues[(packed >>> 16) & 255]!;
    out[pixel] = levelOfMean[((sum + 1) / 3) | 0]!;
  }
}
