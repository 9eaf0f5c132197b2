import { expect, it } from "vitest";
import { onWhite } from "../src/pixels";
import { insert } from "../src/rendering";

it("transparent pixels are shown on white, rounded down", () => {
  const pixels = Uint8ClampedArray.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128);
  expect([...onWhite(pixels)]).toEqual([10, 20, 30, 255, 255, 255, 255, 255, 127, 177, 227, 255]);
  expect(pixels[7]).toBe(0);
});

it("colors of another worker replace those of pixels and keep their alpha", () => {
  const pixels = Uint32Array.of(0xff000000, 0x70123456);
  insert(Uint32Array.of(0xff112233, 0xff445566), pixels);
  expect([...pixels]).toEqual([0xff112233, 0x70445566]);
});
