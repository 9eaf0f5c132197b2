import { describe, expect, it } from "vitest";
import { bytes, joined } from "../src/containers";
import { heifItems } from "../src/heif";
import { readMetadata } from "../src/metadata";

function box(name: string, ...parts: Uint8Array[]): Uint8Array {
  const body = joined(...parts);
  return joined(big(body.length + 8, 4), bytes(name), body);
}

function big(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, byte) => Math.floor(value / 256 ** (size - 1 - byte)) & 255);
}

const EXIF = joined(big(6, 4), bytes("Exif\0\0MM\0*"), new Uint8Array(6));
const XMP = bytes("<x:xmpmeta/>");

/** A file with two items behind its boxes, in version 0 or 1 of the list of their places. */
function heif(version: 0 | 1): Uint8Array {
  const info = (number: number, type: string): Uint8Array => box("infe", Uint8Array.of(2, 0, 0, 0), big(number, 2), big(0, 2), bytes(`${type}\0`), bytes("x\0"));
  const start = bytes("\0\0\0\x0cftypheic");
  const place = (number: number, offset: number, length: number): Uint8Array =>
    joined(big(number, 2), ...(version === 1 ? [big(0, 2)] : []), big(0, 2), big(1, 2), big(offset, 4), big(length, 4));
  const meta = (offset: number): Uint8Array =>
    box(
      "meta",
      new Uint8Array(4),
      box("iinf", new Uint8Array(4), big(2, 2), info(1, "Exif"), info(2, "mime")),
      box("iloc", big(version, 1), new Uint8Array(3), Uint8Array.of(0x44, 0), big(2, 2), place(1, offset, EXIF.length), place(2, offset + EXIF.length, XMP.length)),
    );
  const offset = start.length + meta(0).length;
  return joined(start, meta(offset), EXIF, XMP);
}

describe("HEIC files", () => {
  it.each([0, 1] as const)("give their EXIF and XMP (version %i)", (version) => {
    const { exif, xmp } = readMetadata(heif(version));
    expect(Array.from(exif!)).toEqual(Array.from(EXIF.subarray(10)));
    expect(xmp).toBe("<x:xmpmeta/>");
  });

  it("survive a cut anywhere", () => {
    const file = heif(0);
    for (let length = 0; length < file.length; length++) readMetadata(file.subarray(0, length));
    expect([...heifItems(file, "none")]).toEqual([]);
  });
});
