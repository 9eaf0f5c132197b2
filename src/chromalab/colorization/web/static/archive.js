/** ZIP archives of results, written without compression, because image files hardly become smaller. */

import { crc32 } from "./crc32.js";

/** Archives without the ZIP64 extension must stay below 4 GiB. */
export const LARGEST_BYTES = 4_000_000_000;
/** Checksums are computed in pieces of this size, so that files need not be in memory as a whole. */
const PIECE_BYTES = 4 << 20;
/** Version 2.0 of the format, names in UTF-8, no compression. */
const VERSION = 20;
const UTF8 = 0x800;

export class Archive {
  /** Size of the files so far. */
  bytes = 0;
  count = 0;
  /** @type {Blob[]} */
  #parts = [];
  /** @type {Blob[]} */
  #directory = [];

  /**
   * @param {string} name
   * @param {Blob} file
   * @param {number} changed time of the last change, in milliseconds since 1970.
   */
  async add(name, file, changed) {
    const encoded = new TextEncoder().encode(name);
    const start = sizeOf(this.#parts);
    const common = [[VERSION, 2], [UTF8, 2], [0, 2], [dosTime(new Date(changed)), 4], [await checksum(file), 4], [file.size, 4], [file.size, 4], [encoded.length, 2], [0, 2]];
    this.#parts.push(record([0x04034b50, 4], ...common), new Blob([encoded]), file);
    this.#directory.push(record([0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [start, 4]), new Blob([encoded]));
    this.bytes += file.size;
    this.count++;
  }

  end() {
    const [start, length] = [sizeOf(this.#parts), sizeOf(this.#directory)];
    const end = record([0x06054b50, 4], [0, 4], [this.count, 2], [this.count, 2], [length, 4], [start, 4], [0, 2]);
    return new Blob([...this.#parts, ...this.#directory, end], { type: "application/zip" });
  }
}

/**
 * Returns numbers, each given with its count of bytes, in little-endian order.
 *
 * @param {number[][]} numbers
 */
function record(...numbers) {
  return new Blob([Uint8Array.from(numbers.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, place) => Math.floor(value / 256 ** place) % 256)))]);
}

/** @param {Blob[]} blobs */
function sizeOf(blobs) {
  return blobs.reduce((sum, { size }) => sum + size, 0);
}

/** @param {Blob} file */
async function checksum(file) {
  let sum = 0;
  for (let start = 0; start < file.size; start += PIECE_BYTES) {
    sum = crc32(new Uint8Array(await file.slice(start, start + PIECE_BYTES).arrayBuffer()), sum);
  }
  return sum;
}

/**
 * Returns local time as ZIP files store it, which begins in 1980 and counts two seconds.
 *
 * @param {Date} time
 */
function dosTime(time) {
  const date = (Math.max(0, time.getFullYear() - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate();
  return date * 0x10000 + ((time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1));
}

/**
 * Returns the name of a result: the photo's name with a suffix and the ending of the file type.
 *
 * @param {string} name
 * @param {string} suffix
 * @param {string} type such as `image/png`.
 */
export function resultName(name, suffix, type) {
  const subtype = type.slice("image/".length);
  const ending = { jpeg: "jpg", tiff: "tif" }[subtype] ?? subtype;
  return `${name.replace(/(?<=.)\.[^.]*$/, "")}.${suffix}.${ending}`;
}

/**
 * Returns the name, with a number if it is taken, and takes it; upper and lower case are the same on many systems.
 *
 * @param {string} name
 * @param {Set<string>} taken
 */
export function uniqueName(name, taken) {
  let unique = name;
  for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = name.replace(/(\.[^.]*)?$/, ` (${number})$1`);
  taken.add(unique.toLowerCase());
  return unique;
}
