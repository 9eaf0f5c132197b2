import { describe, expect, it } from "vitest";
import { adjusted } from "../src/core/colorize";
import { enlarge, fit } from "../src/core/guided";
import { applyHints } from "../src/core/hints";
import { inputTensor, interpolated, outputChroma } from "../src/core/network";
import { Expected, largestDifference } from "./expected";
import { HINTS } from "./hints";

const expected = new Expected("small");
const levels = expected.plane("levels");
const chroma = { a: expected.plane("chroma", 0), b: expected.plane("chroma", 1) };

describe("small copy", () => {
  it("fits the guided filter as Python does", () => {
    const { slopeA, slopeB, offsetA, offsetB } = fit(levels, chroma.a, chroma.b, 4);
    expect(largestDifference(slopeA.data, expected.plane("slope", 0).data)).toBeLessThan(1e-4);
    expect(largestDifference(slopeB.data, expected.plane("slope", 1).data)).toBeLessThan(1e-4);
    expect(largestDifference(offsetA.data, expected.plane("offset", 0).data)).toBeLessThan(1e-2);
    expect(largestDifference(offsetB.data, expected.plane("offset", 1).data)).toBeLessThan(1e-2);
  });

  it("enlarges chroma as Python does", () => {
    expect(largestDifference(enlarge(chroma.b, 41, 50).data, expected.plane("enlarged", 1).data)).toBeLessThan(1e-4);
  });

  it("applies saturation and warmth as Python does", () => {
    const { a, b } = adjusted(chroma, levels, { saturation: 1.3, warmth: 8, hints: [] });
    expect(largestDifference(a.data, expected.plane("adjusted", 0).data)).toBeLessThan(1e-4);
    expect(largestDifference(b.data, expected.plane("adjusted", 1).data)).toBeLessThan(1e-4);
  });

  it("propagates hints as Python does", () => {
    const { a, b } = applyHints(levels, chroma, HINTS);
    expect(largestDifference(a.data, expected.plane("hinted", 0).data)).toBeLessThan(1e-3);
    expect(largestDifference(b.data, expected.plane("hinted", 1).data)).toBeLessThan(1e-3);
  });
});

describe("model record", () => {
  it("scales the input and repeats it for three channels", () => {
    const white = { data: Float32Array.of(255, 0), height: 1, width: 2 };
    const { data, dims } = inputTensor({ name: "m", sha256: "", input: { channels: 3, scale: 0.01, offset: [0, 1, 2] } }, white);
    expect(dims).toEqual([1, 3, 1, 2]);
    expect(Array.from(data)).toEqual([1, 0, 2, 1, 3, 2]);
  });

  it("takes the chroma of an RGB output", () => {
    const { a, b } = outputChroma({ name: "m", sha256: "", output: { content: "rgb" } }, { data: Float32Array.of(1, 0, 0), dims: [1, 3, 1, 1] });
    expect(a.data[0]).toBeCloseTo(80.1, 1);
    expect(b.data[0]).toBeCloseTo(67.2, 1);
  });

  it("refuses an output of another shape and values that are not finite", () => {
    const record = { name: "m", sha256: "" };
    expect(() => outputChroma(record, { data: new Float32Array(3), dims: [1, 3, 1, 1] })).toThrow("1 x 3 x 1 x 1");
    expect(() => outputChroma(record, { data: Float32Array.of(0, NaN), dims: [1, 2, 1, 1] })).toThrow("not finite");
  });

  it("interpolates factors between lightnesses", () => {
    const pairs = [
      [10, 1],
      [20, 3],
    ] as const;
    expect([0, 10, 15, 20, 30].map((place) => interpolated(pairs, place))).toEqual([1, 1, 2, 3, 3]);
  });
});
