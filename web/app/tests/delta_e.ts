/** CIEDE2000 (Sharma, Wu, Dalal: "The CIEDE2000 Color-Difference Formula", 2005), for comparisons in the tests. */

import { rgbToLab } from "../src/core/lab";

type Lab = ArrayLike<number>;

const degrees = (angle: number): number => (angle * Math.PI) / 180;

function hueOf(a: number, b: number): number {
  return a === 0 && b === 0 ? 0 : ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
}

export function deltaE2000(one: Lab, other: Lab): number {
  const meanChroma = (Math.hypot(one[1]!, one[2]!) + Math.hypot(other[1]!, other[2]!)) / 2;
  const stretch = 1.5 - 0.5 * Math.sqrt(meanChroma ** 7 / (meanChroma ** 7 + 25 ** 7));
  const [a1, a2] = [one[1]! * stretch, other[1]! * stretch];
  const [c1, c2] = [Math.hypot(a1, one[2]!), Math.hypot(a2, other[2]!)];
  const [h1, h2] = [hueOf(a1, one[2]!), hueOf(a2, other[2]!)];
  let turn = c1 * c2 === 0 ? 0 : h2 - h1;
  if (turn > 180) turn -= 360;
  if (turn < -180) turn += 360;
  let hue = h1 + h2;
  if (c1 * c2 !== 0) hue = Math.abs(h1 - h2) <= 180 ? hue / 2 : hue < 360 ? (hue + 360) / 2 : (hue - 360) / 2;
  const lightness = (one[0]! + other[0]!) / 2;
  const chroma = (c1 + c2) / 2;
  const t =
    1 - 0.17 * Math.cos(degrees(hue - 30)) + 0.24 * Math.cos(degrees(2 * hue)) + 0.32 * Math.cos(degrees(3 * hue + 6)) - 0.2 * Math.cos(degrees(4 * hue - 63));
  const rotation = -2 * Math.sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7)) * Math.sin(degrees(60 * Math.exp(-(((hue - 275) / 25) ** 2))));
  const dl = (other[0]! - one[0]!) / (1 + (0.015 * (lightness - 50) ** 2) / Math.sqrt(20 + (lightness - 50) ** 2));
  const dc = (c2 - c1) / (1 + 0.045 * chroma);
  const dh = (2 * Math.sqrt(c1 * c2) * Math.sin(degrees(turn) / 2)) / (1 + 0.015 * chroma * t);
  return Math.sqrt(Math.max(0, dl * dl + dc * dc + dh * dh + rotation * dc * dh));
}

/** Returns the mean and the 99th percentile between two images of the same size, with `steps` bytes per pixel. */
export function imageDifference(one: Uint8Array, oneSteps: number, other: Uint8Array, otherSteps: number): { mean: number; p99: number } {
  const count = one.length / oneSteps;
  const differences = new Float64Array(count);
  const lab = (pixels: Uint8Array, place: number): Lab => rgbToLab(pixels[place]! / 255, pixels[place + 1]! / 255, pixels[place + 2]! / 255);
  for (let pixel = 0; pixel < count; pixel++) {
    differences[pixel] = deltaE2000(lab(one, pixel * oneSteps), lab(other, pixel * otherSteps));
  }
  differences.sort();
  return { mean: differences.reduce((sum, value) => sum + value, 0) / count, p99: differences[Math.floor(0.99 * count)]! };
}
