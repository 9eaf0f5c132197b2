/** Metadata in WebP files, beside those that `metadata.ts` writes. */

import { type Metadata, withMetadata as intoOthers } from "./metadata";

const ALPHA = 0x10;
const EXIF = 0x08;
const XMP = 0x04;
/** Size of the header of the file, and of that of a chunk. */
const FILE_HEADER = 12;
const CHUNK_HEADER = 8;

/** Returns an encoded JPEG, PNG or WebP file with metadata. */
export function withMetadata(file: Uint8Array, metadata: Metadata): Uint8Array<ArrayBuffer> {
  return text(file, 0) === "RIFF" && text(file, 8) === "WEBP" ? intoWebp(file, metadata) : intoOthers(file, metadata);
}

function intoWebp(file: Uint8Array, { exif, xmp }: Metadata): Uint8Array<ArrayBuffer> {
  const flags = (exif === undefined ? 0 : EXIF) | (xmp === undefined ? 0 : XMP);
  const parts = extended(file.subarray(FILE_HEADER), flags);
  if (exif !== undefined) parts.push(chunk("EXIF", exif));
  if (xmp !== undefined) parts.push(chunk("XMP ", new TextEncoder().encode(xmp)));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Uint8Array(FILE_HEADER + size);
  whole.set(file.subarray(0, FILE_HEADER));
  new DataView(whole.buffer).setUint32(4, whole.length - 8, true);
  let place = FILE_HEADER;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Returns chunks that begin with the extended header, which announces the metadata. */
function extended(chunks: Uint8Array, flags: number): Uint8Array[] {
  if (text(chunks, 0) === "VP8X") {
    const changed = chunks.slice();
    changed[CHUNK_HEADER]! |= flags;
    return [changed];
  }
  const [width, height, alpha] = sizeOf(chunks);
  const body = new Uint8Array(10);
  body[0] = flags | (alpha ? ALPHA : 0);
  const view = new DataView(body.buffer);
  // Both are numbers of three bytes, each one less than the side.
  view.setUint32(4, width - 1, true);
  view.setUint16(7, (height - 1) & 0xffff, true);
  body[9] = (height - 1) >> 16;
  return [chunk("VP8X", body), chunks];
}

/** Returns the width, the height and whether there is alpha, from the header of the pixels. */
function sizeOf(chunks: Uint8Array): [number, number, boolean] {
  const view = new DataView(chunks.buffer, chunks.byteOffset + CHUNK_HEADER);
  if (text(chunks, 0) === "VP8L") {
    const bits = view.getUint32(1, true);
    return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1, ((bits >>> 28) & 1) === 1];
  }
  return [view.getUint16(6, true) & 0x3fff, view.getUint16(8, true) & 0x3fff, false];
}

function chunk(name: string, body: Uint8Array): Uint8Array {
  const whole = new Uint8Array(CHUNK_HEADER + body.length + (body.length % 2));
  whole.set(Uint8Array.from(name, (character) => character.charCodeAt(0)));
  new DataView(whole.buffer).setUint32(4, body.length, true);
  whole.set(body, CHUNK_HEADER);
  return whole;
}

function text(data: Uint8Array, place: number): string {
  return String.fromCharCode(...data.subarray(place, place + 4));
}
