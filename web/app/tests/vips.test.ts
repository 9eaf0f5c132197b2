import { describe, expect, it } from "vitest";
import { encodePng } from "../src/png";
import { loadLibrary, save, scan } from "../src/vips";
import { largestDifference } from "./expected";

const MAX_PIXELS = 1e6;
const [HEIGHT, WIDTH] = [7, 5];
const vips = await loadLibrary();

/** Pixels of all values, of which some are fully and some partly transparent. */
const rgba = Uint8ClampedArray.from({ length: 4 * HEIGHT * WIDTH }, (_, place) => (place * 61) % 256);
for (let place = 3; place < rgba.length; place += 8) rgba[place] = 0;

function image(values: Uint8Array | Uint16Array, bands: number, interpretation: "srgb" | "grey16" | "cmyk" | "rgb16"): InstanceType<typeof vips.Image> {
  const format = values instanceof Uint8Array ? vips.BandFormat.uchar : vips.BandFormat.ushort;
  return vips.Image.newFromMemory(values, values.length / bands, 1, bands, format).copy({ interpretation });
}

describe("PNG files", () => {
  it.each([3, 4] as const)("of %i channels are read again as they were written, with the colors of transparent pixels", async (channels) => {
    const read = vips.Image.newFromBuffer(await encodePng(rgba, HEIGHT, WIDTH, channels));
    expect([read.height, read.width, read.bands]).toEqual([HEIGHT, WIDTH, channels]);
    expect(Array.from(read.writeToMemory())).toEqual(Array.from(rgba).filter((_, place) => place % 4 < channels));
  });

  it("give their alpha, and gray levels of hidden colors", async () => {
    const gray = rgba.map((_, place) => (place % 4 === 3 ? rgba[place]! : (place >> 2) * 7));
    const { levels, alpha, exact } = await scan(await encodePng(gray, HEIGHT, WIDTH, 4), MAX_PIXELS);
    expect(Array.from(levels)).toEqual(Array.from({ length: HEIGHT * WIDTH }, (_, pixel) => pixel * 7));
    expect(Array.from(alpha!)).toEqual(Array.from(rgba).filter((_, place) => place % 4 === 3));
    expect(exact).toBeUndefined();
  });

  it.each([1, 3] as const)("of 16 bits and %i channels give levels with fractions", async (bands) => {
    const values = [0, 128, 129, 30000, 65535];
    const file = image(Uint16Array.from(values.flatMap((value) => new Array<number>(bands).fill(value))), bands, bands === 1 ? "grey16" : "rgb16").pngsaveBuffer();
    const { levels, exact, alpha } = await scan(file, MAX_PIXELS);
    expect([...levels]).toEqual([0, 0, 1, 117, 255]);
    expect(largestDifference(exact!, values.map((value) => value / 257))).toBeLessThan(1e-3);
    expect(alpha).toBeUndefined();
  });

  it("that are cut off or too large are refused", async () => {
    const file = await encodePng(rgba, HEIGHT, WIDTH, 4);
    await expect(scan(file.subarray(0, 60), MAX_PIXELS)).rejects.toMatchObject({ failure: "unreadable" });
    await expect(scan(file, HEIGHT * WIDTH - 1)).rejects.toMatchObject({ failure: "tooLarge" });
  });
});

it("CMYK files without a profile get levels of inks", async () => {
  const inks = image(Uint8Array.of(0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 128), 4, "cmyk");
  const { levels } = await scan(inks.tiffsaveBuffer(), MAX_PIXELS);
  expect(levels[0]).toBeGreaterThan(250);
  expect(levels[1]).toBeLessThan(5);
  expect(levels[2]! > 100 && levels[2]! < 180).toBe(true);
});

it.each(["image/jpeg", "image/webp"] as const)("%s files longer than a canvas are written", async (format) => {
  const width = format === "image/jpeg" ? 20_000 : 40;
  const read = vips.Image.newFromBuffer(await save(new Uint8ClampedArray(4 * width * 8).fill(90), 8, width, 3, format, 92));
  expect([read.width, read.height, read.bands]).toEqual([width, 8, 3]);
  expect(Math.abs(read.avg() - 90)).toBeLessThan(2);
});
