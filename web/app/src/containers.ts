/** The parts of JPEG, PNG and WebP files, and what they tell about the pixels. */

import { crc32 } from "@page/crc32.js";

/** A segment of a JPEG file or a chunk of another file. */
export interface Part {
  /** Marker of a JPEG segment, such as `e1`, or the four letters of a chunk. */
  readonly name: string;
  readonly body: Uint8Array;
}

export type Kind = "jpeg" | "png" | "webp" | "tiff" | "gif" | "other";

export const PNG_START = "\x89PNG\r\n\x1a\n";
export const JPEG_PROFILE = "ICC_PROFILE\0";

const WEBP_PROFILE_FLAG = 0x20;
const WEBP_ALPHA_FLAG = 0x10;
const WEBP_EXIF_FLAG = 0x08;
const WEBP_ANIMATION_FLAG = 0x02;
const SRGB_GAMMA = 1 / 2.2;
/** A power this near to that of sRGB stands for sRGB, as in the Python code. */
const GAMMA_TOLERANCE = 0.05;
/** The end mark of a JPEG file is looked for in its last bytes, because some cameras write more behind it. */
const TAIL_BYTES = 1 << 16;

/** Returns the type of an image file, recognized by its content. */
export function kindOf(file: Uint8Array): Kind {
  if (file[0] === 0xff && file[1] === 0xd8) return "jpeg";
  if (startsWith(file, PNG_START)) return "png";
  if (startsWith(file, "RIFF") && startsWith(file.subarray(8), "WEBP")) return "webp";
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].some((mark) => startsWith(file, mark))) return "tiff";
  return startsWith(file, "GIF8") ? "gif" : "other";
}

/** Yields the segments of a JPEG file before its pixels. */
export function* jpegSegments(file: Uint8Array): Generator<Part> {
  for (let place = 2; place + 4 <= file.length && file[place] === 0xff; ) {
    const marker = file[place + 1]!;
    if (marker === 0xda) return; // the pixels begin
    const length = (file[place + 2]! << 8) | file[place + 3]!;
    yield { name: marker.toString(16), body: file.subarray(place + 4, place + 2 + length) };
    place += 2 + length;
  }
}

/** Yields the chunks of a PNG file. */
export function* pngChunks(file: Uint8Array): Generator<Part> {
  const view = viewOf(file);
  for (let place = PNG_START.length; place + 12 <= file.length; ) {
    const length = view.getUint32(place);
    yield { name: latin(file.subarray(place + 4, place + 8)), body: file.subarray(place + 8, place + 8 + length) };
    place += 12 + length;
  }
}

/** Yields the chunks of a WebP file. */
export function* webpChunks(file: Uint8Array): Generator<Part> {
  const view = viewOf(file);
  for (let place = 12; place + 8 <= file.length; ) {
    const length = view.getUint32(place + 4, true);
    yield { name: latin(file.subarray(place, place + 4)), body: file.subarray(place + 8, place + 8 + length) };
    place += 8 + length + (length % 2);
  }
}

/**
 * Returns whether a browser's decoder changes the pixels of a file, or might do so.
 *
 * Browsers reduce 16 bits to 8, erase the colors of transparent pixels, convert inks without a profile of them, limit
 * colors to the gamut of sRGB, ignore the orientation of WebP files, and show the readable part of a cut-off file.
 */
export function changesInBrowser(file: Uint8Array): boolean {
  const kind = kindOf(file);
  if (kind === "jpeg") return jpegChanges(file);
  if (kind === "png") return pngChanges(file);
  if (kind === "webp") return webpChanges(file);
  return kind !== "other";
}

function jpegChanges(file: Uint8Array): boolean {
  let profile = "";
  for (const { name, body } of jpegSegments(file)) {
    if (/^c[0-35-79-bd-f]$/.test(name) && body[5] === 4) return true; // a frame of four inks
    if (name === "e2" && startsWith(body, JPEG_PROFILE)) profile += latin(body.subarray(JPEG_PROFILE.length));
  }
  return isForeign(profile) || !hasEnd(file);
}

function hasEnd(file: Uint8Array): boolean {
  const tail = file.subarray(-TAIL_BYTES);
  return tail.some((value, place) => value === 0xff && tail[place + 1] === 0xd9);
}

/** Returns whether a profile is of another color space than sRGB. */
function isForeign(profile: string): boolean {
  return profile !== "" && !profile.replaceAll("\0", "").includes("sRGB");
}

function pngChanges(file: Uint8Array): boolean {
  const names = new Set<string>();
  let gamma = SRGB_GAMMA;
  for (const { name, body } of pngChunks(file)) {
    if (name === "IHDR" && (body[8] === 16 || body[9] === 4 || body[9] === 6)) return true; // 16 bits, or with alpha
    if (name === "gAMA" && body.length === 4) gamma = viewOf(body).getUint32(0) / 100_000;
    names.add(name);
  }
  if (["tRNS", "iCCP"].some((name) => names.has(name)) || !names.has("IEND")) return true;
  return !names.has("sRGB") && isForeignGamma(gamma);
}

/** Returns whether the exponent of an encoding differs from that of sRGB. */
function isForeignGamma(gamma: number): boolean {
  return gamma > 0 && Math.abs(gamma / SRGB_GAMMA - 1) > GAMMA_TOLERANCE;
}

/** Returns the exponent of a PNG file's encoding, or undefined if it has a profile or is in sRGB. */
export function pngGamma(file: Uint8Array): number | undefined {
  let gamma: number | undefined;
  for (const { name, body } of pngChunks(file)) {
    if (["iCCP", "sRGB", "cICP"].includes(name)) return undefined;
    if (name === "gAMA" && body.length === 4) gamma = viewOf(body).getUint32(0) / 100_000;
  }
  return gamma !== undefined && isForeignGamma(gamma) ? gamma : undefined;
}

function webpChanges(file: Uint8Array): boolean {
  for (const { name, body } of webpChunks(file)) {
    if (name === "VP8X" && (body[0]! & (WEBP_PROFILE_FLAG | WEBP_ALPHA_FLAG | WEBP_EXIF_FLAG | WEBP_ANIMATION_FLAG)) !== 0) return true;
    if (name === "VP8L" && (body[4]! & 0x10) !== 0) return true; // the mark of alpha behind two sizes of 14 bits
  }
  return false;
}

/** Returns a chunk of a PNG file. */
export function pngChunk(name: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = joined(new Uint8Array(4), bytes(name), body, new Uint8Array(4));
  const view = viewOf(whole);
  view.setUint32(0, body.length);
  view.setUint32(whole.length - 4, crc32(whole.subarray(4, -4)));
  return whole;
}

/** Returns arrays of bytes one after the other. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** Returns the bytes of a text of Latin-1 letters. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

export function startsWith(data: Uint8Array, text: string): boolean {
  return [...text].every((character, place) => data[place] === character.charCodeAt(0));
}

function latin(data: Uint8Array): string {
  return new TextDecoder("latin1").decode(data);
}
