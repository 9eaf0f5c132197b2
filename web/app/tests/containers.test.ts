import { describe, expect, it } from "vitest";
import { bytes, changesInBrowser, joined, kindOf, pngChunk, pngGamma, PNG_START } from "../src/containers";

function jpeg(components: number, ...segments: Uint8Array[]): Uint8Array {
  const frame = Uint8Array.of(0xff, 0xc2, 0, 8 + 3 * components, 8, 0, 9, 0, 9, components, ...new Uint8Array(3 * components));
  return joined(Uint8Array.of(0xff, 0xd8), ...segments, frame, Uint8Array.of(0xff, 0xda, 0, 2, 1, 2, 0xff, 0xd9));
}

function profile(name: string): Uint8Array {
  const body = bytes(`ICC_PROFILE\0\x01\x01${name}`);
  return joined(Uint8Array.of(0xff, 0xe2, 0, body.length + 2), body);
}

function png(bits: number, type: number, ...chunks: Uint8Array[]): Uint8Array {
  const head = pngChunk("IHDR", Uint8Array.of(0, 0, 0, 9, 0, 0, 0, 9, bits, type, 0, 0, 0));
  return joined(bytes(PNG_START), head, ...chunks, pngChunk("IDAT", new Uint8Array(9)), pngChunk("IEND", new Uint8Array(0)));
}

function webp(name: string, ...body: number[]): Uint8Array {
  const size = Uint8Array.of(body.length, 0, 0, 0);
  return joined(bytes("RIFF\0\0\0\0WEBP"), bytes(name), size, Uint8Array.from(body));
}

function gamma(value: number): Uint8Array {
  return pngChunk("gAMA", Uint8Array.of(value >> 24, value >> 16, value >> 8, value));
}

describe("files whose pixels browsers change", () => {
  it.each([
    ["a JPEG file of three channels", jpeg(3), false],
    ["a gray JPEG file", jpeg(1), false],
    ["a JPEG file of four inks", jpeg(4), true],
    ["a JPEG file with a profile of sRGB", jpeg(3, profile("s\0R\0G\0B")), false],
    ["a JPEG file with another profile", jpeg(3, profile("Display P3")), true],
    ["a cut-off JPEG file", jpeg(3).subarray(0, -1), true],
    ["an 8-bit PNG file", png(8, 2), false],
    ["a 16-bit PNG file", png(16, 0), true],
    ["a PNG file with alpha", png(8, 4), true],
    ["a PNG file with a transparent color", png(8, 3, pngChunk("tRNS", new Uint8Array(1))), true],
    ["a cut-off PNG file", png(8, 2).subarray(0, -12), true],
    ["a PNG file in linear light", png(8, 0, gamma(100_000)), true],
    ["a PNG file with the power of sRGB", png(8, 0, gamma(45_455)), false],
    ["a WebP file without alpha", webp("VP8X", 0, 0, 0, 0), false],
    ["a WebP file with alpha", webp("VP8X", 0x10, 0, 0, 0), true],
    ["an animated WebP file", webp("VP8X", 0x02, 0, 0, 0), true],
    ["a WebP file with EXIF", webp("VP8X", 0x08, 0, 0, 0), true],
    ["a lossless WebP file without alpha", webp("VP8L", 0x2f, 1, 2, 3, 0), false],
    ["a lossless WebP file with alpha", webp("VP8L", 0x2f, 1, 2, 3, 0x10), true],
    ["a TIFF file", bytes("MM\0*"), true],
    ["a BMP file", bytes("BM"), false],
  ])("are recognized: %s", (_, file, changes) => {
    expect(changesInBrowser(file)).toBe(changes);
  });

  it("are recognized by their content", () => {
    expect([jpeg(3), png(8, 2), webp("VP8L"), bytes("II*\0"), bytes("GIF89a"), new Uint8Array(0)].map(kindOf)).toEqual(["jpeg", "png", "webp", "tiff", "gif", "other"]);
  });

  it("survive a cut anywhere", () => {
    for (const file of [jpeg(4, profile("x")), png(8, 3, gamma(1)), webp("VP8X", 0x10, 0, 0, 0)]) {
      for (let length = 0; length < file.length; length++) changesInBrowser(file.subarray(0, length));
    }
  });
});

it("PNG's power counts only without a profile and where it differs from sRGB", () => {
  expect(pngGamma(png(8, 0, gamma(100_000)))).toBe(1);
  expect(pngGamma(png(8, 0, gamma(45_455)))).toBeUndefined();
  expect(pngGamma(png(8, 0, gamma(100_000), pngChunk("sRGB", new Uint8Array(1))))).toBeUndefined();
});
