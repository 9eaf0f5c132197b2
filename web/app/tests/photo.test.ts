import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DEFAULTS } from "@page/photos.js";
import type { Options } from "@page/types";
import { type Levels, predictPhoto, renderPhoto } from "../src/core/colorize";
import { levelsOf } from "../src/core/levels";
import { imageDifference } from "./delta_e";
import { Expected } from "./expected";
import { defaultNetwork } from "./network";
import { HINTS } from "./hints";

const expected = new Expected("photo");
const [network, record] = await defaultNetwork();
const OPTIONS: Options = { saturation: 1.3, warmth: 8, hints: HINTS };
const SAMPLES = new URL("../build/samples/", import.meta.url);

/** Returns RGBA pixels of RGB or gray ones. */
function rgbaOf(pixels: Uint8Array, channels: 1 | 3): Uint8Array {
  const rgba = new Uint8Array((pixels.length / channels) * 4).fill(255);
  for (let pixel = 0; pixel < pixels.length / channels; pixel++) {
    for (let channel = 0; channel < 3; channel++) rgba[4 * pixel + channel] = pixels[channels * pixel + Math.min(channel, channels - 1)]!;
  }
  return rgba;
}

function levelsFrom(rgba: Uint8Array, height: number, width: number): Levels {
  const levels = new Uint8Array(height * width);
  levelsOf(rgba, levels);
  return { levels, height, width };
}

describe("a synthetic photo", () => {
  const [height, width] = expected.shape("levels") as [number, number];
  const levels = expected.values("levels") as Uint8Array;

  it.each([
    ["plain", DEFAULTS],
    ["options", OPTIONS],
  ] as const)("gets the colors that Python gives it (%s)", async (name, options) => {
    const rgba = rgbaOf(levels, 1);
    const prediction = await predictPhoto(network, record, levelsFrom(rgba, height, width));
    renderPhoto(prediction, options, rgba);
    const sampled = [];
    for (let y = 0; y < height; y += 5) for (let x = 0; x < width; x += 5) sampled.push(...rgba.subarray(4 * (y * width + x), 4 * (y * width + x) + 3));
    const { mean, p99 } = imageDifference(Uint8Array.from(sampled), 3, expected.values(name) as Uint8Array, 3);
    expect(mean).toBeLessThan(0.1);
    expect(p99).toBeLessThan(1);
  });

  it("keeps its lightness within one level, its alpha, and has a record of the rendering", async () => {
    const rgba = rgbaOf(levels, 1);
    rgba[3] = 7;
    const prediction = await predictPhoto(network, record, levelsFrom(rgba, height, width));
    const stats = renderPhoto(prediction, { ...DEFAULTS, saturation: 2 }, rgba);
    const kept = new Uint8Array(levels.length);
    levelsOf(rgba, kept);
    expect(kept.every((level, pixel) => Math.abs(level - levels[pixel]!) <= 1)).toBe(true);
    expect([rgba[3], rgba[7]]).toEqual([7, 255]);
    expect(stats.pixels).toBe(height * width);
    expect(stats.lightnessError).toBeLessThan(0.64);
  });

  it("stays gray without saturation", async () => {
    const rgba = rgbaOf(levels, 1);
    renderPhoto(await predictPhoto(network, record, levelsFrom(rgba, height, width)), { ...DEFAULTS, saturation: 0 }, rgba);
    expect(rgba).toEqual(rgbaOf(levels, 1));
  });

  it.each([
    [1, 1],
    [1, 40],
    [300, 2],
  ])("of %i x %i pixels is colorized", async (rows, columns) => {
    const rgba = rgbaOf(new Uint8Array(rows * columns).fill(120), 1);
    const stats = renderPhoto(await predictPhoto(network, record, levelsFrom(rgba, rows, columns)), DEFAULTS, rgba);
    expect(stats.pixels).toBe(rows * columns);
  });
});

// `make app-check` writes these with the Python code.
describe.runIf(existsSync(SAMPLES))("sample photos of scikit-image", () => {
  const samples = existsSync(SAMPLES) ? (JSON.parse(readFileSync(new URL("samples.json", SAMPLES), "utf8")) as Record<string, { height: number; width: number }>) : {};

  it.each(Object.entries(samples))("%s gets the colors that Python gives it", async (name, { height, width }) => {
    const rgba = rgbaOf(readFileSync(new URL(`${name}.rgb`, SAMPLES)), 3);
    renderPhoto(await predictPhoto(network, record, levelsFrom(rgba, height, width)), DEFAULTS, rgba);
    const { mean, p99 } = imageDifference(rgba, 4, readFileSync(new URL(`${name}.expected`, SAMPLES)), 3);
    console.log(`${name}: CIEDE2000 ${mean.toFixed(4)} mean, ${p99.toFixed(4)} at the 99th percentile`);
    expect(mean).toBeLessThan(0.3);
    expect(p99).toBeLessThan(1);
  });
});
