import { describe, expect, it } from "vitest";
import { chromaLimit, HUES, labToLinear, rgbToLab, shrinkIntoGamut } from "../src/core/lab";
import { levelsOf } from "../src/core/levels";
import { colorTable } from "../src/core/table";
import { deltaE2000 } from "./delta_e";
import { Expected, largestDifference } from "./expected";

const expected = new Expected("color");

function triples(values: ArrayLike<number>, change: (x: number, y: number, z: number) => ArrayLike<number>): number[] {
  const result = [];
  for (let place = 0; place < values.length; place += 3) {
    result.push(...Array.from(change(values[place]!, values[place + 1]!, values[place + 2]!)));
  }
  return result;
}

describe("CIELAB", () => {
  it("converts sRGB to CIELAB as Python does", () => {
    const lab = triples(expected.values("rgb"), (r, g, b) => rgbToLab(r, g, b));
    expect(largestDifference(lab, expected.values("lab"))).toBeLessThan(1e-4);
  });

  it("converts CIELAB to linear RGB as Python does", () => {
    const linear = triples(expected.values("lab"), (l, a, b) => labToLinear(l, a, b));
    expect(largestDifference(linear, expected.values("linear"))).toBeLessThan(1e-5);
  });

  it("finds the gamut's boundary as Python does, within one step of the bisection", () => {
    const limits = chromaLimit();
    const sampled = [];
    for (let level = 0; level < 256; level += 15) for (let hue = 0; hue < 360; hue += 10) sampled.push(limits[level * HUES + hue]!);
    expect(largestDifference(sampled, expected.values("limit"))).toBeLessThan(0.07);
  });

  it("shrinks colors into the gamut as Python does", () => {
    const values = expected.values("shrink_input");
    const count = values.length / 3;
    const factors = Array.from({ length: count }, (_, i) => shrinkIntoGamut(values[i]!, values[count + i]!, values[2 * count + i]!));
    expect(largestDifference(factors, expected.values("shrink"))).toBeLessThan(2e-3);
  });

  it("computes CIEDE2000 as scikit-image does", () => {
    const lab = expected.values("lab");
    const differences = expected.values("differences");
    const own = Array.from(differences, (_, i) => deltaE2000(lab.subarray(3 * i, 3 * i + 3), lab.subarray(3 * i + 3, 3 * i + 6)));
    expect(largestDifference(own, differences)).toBeLessThan(2e-3);
  });
});

describe("gray levels", () => {
  it("equal those of Python for grays and colors", () => {
    const pixels = expected.values("pixels");
    const rgba = new Uint8Array((pixels.length / 3) * 4);
    for (let i = 0; i < pixels.length / 3; i++) rgba.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
    const levels = new Uint8Array(pixels.length / 3);
    levelsOf(rgba, levels);
    expect(largestDifference(levels, expected.values("levels"))).toBe(0);
  });
});

describe("color table", () => {
  const table = colorTable();
  const places = expected.values("places");
  const entries = expected.values("entries");

  it("has the colors of Python's table, within one level where they differ at all", () => {
    let different = 0;
    let largest = 0;
    places.forEach((place, index) => {
      for (const shift of [0, 8, 16]) {
        const difference = Math.abs(((table[place]! >>> shift) & 255) - ((entries[index]! >>> shift) & 255));
        if (difference > 0) different++;
        largest = Math.max(largest, difference);
      }
    });
    expect(different / (3 * places.length)).toBeLessThan(2e-3);
    expect(largest).toBeLessThanOrEqual(1);
  });

  it("keeps the lightness of every gray level within one level", () => {
    const level = new Uint8Array(1);
    for (let place = 0; place < table.length; place += 997) {
      const entry = table[place]!;
      levelsOf(Uint8Array.of(entry & 255, (entry >>> 8) & 255, (entry >>> 16) & 255, 255), level);
      expect(Math.abs(level[0]! - Math.floor(place / (187 * 204)))).toBeLessThanOrEqual(1);
    }
  });
});
