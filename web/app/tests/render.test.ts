import { expect, it } from "vitest";
import { enlarge, neighbors } from "../src/core/guided";
import { Renderer, runsOf } from "../src/core/render";
import { zeros } from "../src/core/plane";
import { A_COUNT, A_FIRST, B_COUNT, B_FIRST, colorTable, PLANE } from "../src/core/table";

it.each([
  [1, 1],
  [5, 40],
  [12, 12],
  [40, 7],
  [384, 4000],
])("runs of %i columns in %i pixels have the weights of single pixels", (count, full) => {
  const { lower, share } = neighbors(count, full);
  const runs = runsOf({ lower, share });
  expect(runs.map(({ start }) => start)).toEqual([0, ...runs.slice(0, -1).map(({ stop }) => stop)]);
  expect(runs[runs.length - 1]!.stop).toBe(full);
  for (const run of runs) {
    for (let x = run.start; x < run.stop; x++) {
      expect(lower[x]).toBe(run.lower);
      expect(Math.abs(share[x]! - run.share - run.step * (x - run.start))).toBeLessThan(1e-4);
    }
  }
});

it("pixels have the table's colors of the enlarged coefficients", () => {
  const plane = (seed: number, size: number): ReturnType<typeof zeros> => ({ ...zeros(6, 9), data: Float32Array.from({ length: 54 }, (_, i) => (((i * seed) % 17) - 8) * size) });
  const coefficients = { slopeA: plane(5, 0.05), slopeB: plane(7, 0.08), offsetA: plane(3, 4), offsetB: plane(11, 20) };
  const [height, width] = [31, 50];
  const levels = Uint8Array.from({ length: height * width }, (_, i) => (i * 37) % 256);
  const pixels = new Uint32Array(levels.length).fill(0x70000000);
  new Renderer(coefficients, height, width).render(0, levels, pixels);
  const [slopeA, slopeB, offsetA, offsetB] = [coefficients.slopeA, coefficients.slopeB, coefficients.offsetA, coefficients.offsetB].map((small) => enlarge(small, height, width).data);
  const place = (value: number, first: number, count: number): number => Math.min(count - 1, Math.max(0, Math.floor(value - first + 0.5)));
  let different = 0;
  levels.forEach((level, i) => {
    const a = place(slopeA![i]! * level + offsetA![i]!, A_FIRST, A_COUNT);
    const b = place(slopeB![i]! * level + offsetB![i]!, B_FIRST, B_COUNT);
    const color = (colorTable()[level * PLANE + a * B_COUNT + b]! & 0xffffff) | 0x70000000;
    if (color !== pixels[i]) different++;
  });
  expect(different).toBeLessThan(3); // values between two places may be rounded to either one
});
