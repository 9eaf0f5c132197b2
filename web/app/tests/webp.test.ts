import { expect, test } from "vitest";
import { readMetadata } from "../src/metadata";
import { withMetadata } from "../src/metadata";

const EXIF = Uint8Array.of(0x49, 0x49, 42, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
/** A lossy and a lossless image of 3 x 2 pixels, as Pillow writes them. */
const FILES = {
  VP8: "UklGRjYAAABXRUJQVlA4ICoAAACQAQCdASoDAAIAAUAmJaACdLoAA5gA/txR//OJfyR+gXQf+tTIx8+4AAA=",
  VP8L: "UklGRh4AAABXRUJQVlA4TBEAAAAvAkAAAAdQvGoVuf+BiOh/AAA=",
};

test.each(Object.entries(FILES))("metadata of a file with the chunk %s can be read again, and the header announces them", (_, text) => {
  const file = Uint8Array.from(Buffer.from(text, "base64"));
  const written = withMetadata(file, { exif: EXIF, xmp: "<x/>" });
  expect(readMetadata(written)).toEqual({ exif: EXIF, xmp: "<x/>" });
  const header = [...written.subarray(20, 30)];
  expect(header[0]! & 0x0c).toBe(0x0c);
  expect(header.slice(4)).toEqual([2, 0, 0, 1, 0, 0]); // width and height less one
  expect(new DataView(written.buffer).getUint32(4, true)).toBe(written.length - 8);
});
