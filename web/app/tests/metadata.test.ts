import { describe, expect, it } from "vitest";
import { crc32 } from "@page/crc32.js";
import { fitsJpeg, readMetadata, uprightExif, withDisclosure, withMetadata } from "../src/metadata";

const DISCLOSURE = { statement: "Colors are <inferred>.", model: "m", modelSha256: "00", version: "1", parameters: { saturation: 2 } };
const JPEG = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xda, 0, 2, 0xff, 0xd9);
const PNG = Uint8Array.from(
  Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==", "base64"),
);

/** An EXIF block of two directories: orientation, and a thumbnail of four bytes at the end. */
function exif(orientation: number, little: boolean): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(60);
  const view = new DataView(block.buffer);
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  const shorts: [number, number][] = [[2, 42], [8, 1], [10, 0x0112], [12, 3], [18, orientation], [26, 2], [28, 0x0201], [30, 4], [40, 0x0202], [42, 4]];
  const longs: [number, number][] = [[4, 8], [14, 1], [22, 26], [32, 1], [36, 56], [44, 1], [48, 4]];
  for (const [place, value] of shorts) view.setUint16(place, value, little);
  for (const [place, value] of longs) view.setUint32(place, value, little);
  block.fill(7, 56, 60);
  return block;
}

describe("metadata", () => {
  it.each([
    ["JPEG", JPEG],
    ["PNG", PNG],
  ])("is read again from a %s file that it was written into", (_, file) => {
    const metadata = { exif: exif(1, true), xmp: withDisclosure(undefined, DISCLOSURE) };
    const written = withMetadata(file, metadata);
    expect(readMetadata(written)).toEqual(metadata);
    expect(readMetadata(file)).toEqual({});
    expect(written.subarray(0, 8)).toEqual(file.subarray(0, 8));
  });

  it("leaves out parts that are too long for a JPEG segment", () => {
    const written = withMetadata(JPEG, { exif: new Uint8Array(70_000), xmp: "<x/>" });
    expect(readMetadata(written)).toEqual({ xmp: "<x/>" });
  });

  it("tells which parts are too long for a JPEG segment", () => {
    const short = { exif: new Uint8Array(65_527), xmp: "x".repeat(65_504) };
    expect(readMetadata(withMetadata(JPEG, short))).toEqual(short);
    expect([short.exif, short.xmp].map(fitsJpeg)).toEqual([true, true]);
    expect([new Uint8Array(65_528), `${short.xmp}x`, "\u3042".repeat(22_000)].map(fitsJpeg)).toEqual([false, false, false]);
  });

  it("computes the checksum of PNG", () => {
    expect(crc32(Uint8Array.from(Buffer.from("IEND")))).toBe(0xae426082);
  });

  it("survives a file that is cut off anywhere", () => {
    const written = withMetadata(PNG, { exif: exif(6, false), xmp: "<x/>" });
    for (let length = 0; length < written.length; length++) readMetadata(written.subarray(0, length));
  });
});

describe("EXIF", () => {
  it.each([true, false])("gets orientation 1 and loses its thumbnail (little endian: %s)", (little) => {
    const upright = uprightExif(exif(6, little))!;
    const expected = exif(1, little);
    expected.fill(0, 22, 26);
    expected.fill(0, 56, 60);
    expect(upright).toEqual(expected);
  });

  it("that cannot be read is left out", () => {
    expect(uprightExif(Uint8Array.of(1, 2, 3))).toBeUndefined();
    expect(uprightExif(exif(6, true).subarray(0, 12))).toBeUndefined();
  });
});

describe("XMP", () => {
  const packet =
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
    '<rdf:Description rdf:about="uuid:1" xmlns:dc="d" xmlns:Iptc4xmpExt="i" Iptc4xmpExt:DigitalSourceType="old" dc:source="album" tiff:Orientation="6">' +
    "<Iptc4xmpExt:AISystemUsed>other</Iptc4xmpExt:AISystemUsed></rdf:Description></rdf:RDF></x:xmpmeta>";

  it("keeps other properties and replaces an earlier notice", () => {
    const xmp = withDisclosure(packet, DISCLOSURE);
    expect(xmp).toContain('dc:source="album"');
    expect(xmp).toContain('rdf:about="uuid:1" xmlns:Iptc4xmpExt');
    expect(xmp).not.toContain("Orientation");
    expect(xmp).not.toContain("old");
    expect(xmp).not.toContain("other");
    expect(withDisclosure(xmp, DISCLOSURE).match(/chromalab:Statement>Colors are &lt;inferred&gt;/g)).toHaveLength(1);
  });

  it("that is no packet is replaced by a new one", () => {
    expect(withDisclosure("nonsense", DISCLOSURE)).toMatch(/^<\?xpacket begin/);
  });
});
