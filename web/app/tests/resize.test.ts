import { describe, expect, it } from "vitest";
import { inputSize, type ModelRecord } from "../src/core/network";
import { reducedLevels, resizePlane, targetSize } from "../src/core/resize";
import { Expected, largestDifference } from "./expected";

const expected = new Expected("resize");
const RECORD: ModelRecord = { name: "test", sha256: "", size: { px: 96, multiple_of: 16 } };

/** The gray levels of `pattern` in make_expected.py. */
function pattern(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width }, (_, place) => {
    const x = place % width;
    const y = (place - x) / width;
    return Math.floor((x * x + 3 * y * y + 7 * x * y) / 97) % 251;
  });
}

describe("resizing", () => {
  it.each([
    [384, 576],
    [37, 91],
    [50, 40],
    [400, 23],
    [20, 30],
    [90, 20],
  ])("scales a plane of %i x %i as libvips does", (height, width) => {
    const [rows, columns] = expected.shape(`resized ${height} ${width}`) as [number, number];
    const plane = { data: Float32Array.from(pattern(height, width)), height, width };
    const resized = resizePlane(plane, rows, columns);
    expect([resized.height, resized.width]).toEqual([rows, columns]);
    expect(largestDifference(resized.data, expected.values(`resized ${height} ${width}`))).toBeLessThan(1e-3);
  });

  it.each([
    [900, 1300, 100],
    [801, 1203, 96],
    [301, 215, 120],
    [60, 40, 384],
  ])("reduces gray levels of %i x %i to %i px as Python does", (height, width, side) => {
    const reduced = reducedLevels(pattern(height, width), height, width, side);
    expect([reduced.height, reduced.width]).toEqual(expected.shape(`reduced ${height} ${width}`));
    expect(largestDifference(reduced.data, expected.values(`reduced ${height} ${width}`))).toBeLessThan(1e-3);
  });

  it("computes the sizes that Python computes", () => {
    for (const [height, width, ...sizes] of expected.plain("sizes") as [number, number, ...number[]][]) {
      expect([...inputSize(RECORD, height, width), ...targetSize(height, width, 96)]).toEqual(sizes);
    }
  });
});
