/** The pages of a TIFF file, and what their channels mean: the part of `chromalab.photo.tiff` that libvips needs. */

import { viewOf } from "./containers";
import { PhotoError } from "./failures";

/** The first page of a photo. */
export interface TiffPage {
  /** Its index among all directories of the file. */
  readonly index: number;
  /** Number of pages, without reduced copies. */
  readonly pages: number;
  /** Number of channels beyond the colors. */
  readonly extra: number;
  /** Which of these is the transparency, counted from 0. */
  readonly alpha: number | undefined;
}

/** The integers of the tags in `TAGS`. */
type Tags = ReadonlyMap<number, readonly number[]>;

const SUBFILE = 254;
const OLD_SUBFILE = 255;
const COMPRESSION = 259;
const KIND = 262;
const SAMPLES = 277;
const PLANAR = 284;
const BELOW = 330;
const INKS = 332;
const EXTRA = 338;
const DNG_VERSION = 50706;
const TAGS = new Set([SUBFILE, OLD_SUBFILE, COMPRESSION, KIND, SAMPLES, PLANAR, BELOW, INKS, EXTRA, DNG_VERSION]);

const REDUCED = 1;
const MASK = 4;
const JPEG = 7;
const OLD_JPEG = 6;
const [GRAY, RGB, CMYK, YCBCR] = [1, 2, 5, 6];
/** Number of color channels by kind of color; palettes have one channel. */
const COLORS: Readonly<Record<number, number>> = { 0: 1, [GRAY]: 1, [RGB]: 3, 3: 1, [CMYK]: 4, [YCBCR]: 3 };
const MOST_PAGES = 100_000;

/**
 * Returns the first page that is not a reduced copy.
 *
 * @throws PhotoError if libvips would read its colors wrongly: the Python tool converts these kinds itself.
 * @throws RangeError if the file is cut off.
 */
export function firstPage(file: Uint8Array): TiffPage {
  const directories = [...tagsOfPages(file)];
  let index = directories.findIndex((tags) => !isReduced(tags) && !isMask(tags));
  if (index < 0 && directories.length === 1 && !directories[0]!.has(BELOW)) index = 0;
  const tags = directories[index];
  if (tags === undefined || isMask(tags)) throw refusal("no page is a whole photo");
  const extra = extraOf(tags);
  refuse(tags, extra);
  const alpha = extra.findIndex(isTransparency);
  const pages = Math.max(1, directories.filter((other) => !isReduced(other)).length);
  return { index, pages, extra: extra.length, alpha: alpha < 0 ? undefined : alpha };
}

function isReduced(tags: Tags): boolean {
  return tags.has(SUBFILE) ? (first(tags, SUBFILE, 0) & REDUCED) !== 0 : first(tags, OLD_SUBFILE, 0) === 2;
}

function isMask(tags: Tags): boolean {
  return (first(tags, SUBFILE, 0) & MASK) !== 0;
}

function isTransparency(meaning: number): boolean {
  return meaning === 1 || meaning === 2;
}

function kindOfColor(tags: Tags): number {
  return first(tags, KIND, first(tags, SAMPLES, 1) >= 3 ? RGB : GRAY);
}

/** Returns the meaning of every channel beyond the colors; 0 is not stated. */
function extraOf(tags: Tags): readonly number[] {
  const samples = first(tags, SAMPLES, 1);
  const count = Math.max(0, samples - (COLORS[kindOfColor(tags)] ?? samples));
  return Array.from({ length: count }, (_, place) => tags.get(EXTRA)?.[place] ?? 0);
}

function refuse(tags: Tags, extra: readonly number[]): void {
  const kind = kindOfColor(tags);
  const compression = first(tags, COMPRESSION, 1);
  const planar = first(tags, PLANAR, 1) === 2;
  if (tags.has(DNG_VERSION)) throw refusal("a camera's raw file");
  if (COLORS[kind] === undefined || (kind === CMYK && first(tags, INKS, 1) !== 1)) throw refusal(`kind of color ${kind}`);
  if (compression === OLD_JPEG) throw refusal("old-style JPEG");
  if (kind === YCBCR && (compression !== JPEG || planar)) throw refusal("YCbCr without JPEG compression");
  if (planar && extra.length > 0) throw refusal("further channels that are stored one by one");
  if (COLORS[kind] === 1 && extra.filter((meaning) => meaning === 0).length > 1) throw refusal(`${1 + extra.length} channels`);
}

function refusal(what: string): PhotoError {
  return new PhotoError("unreadable", `TIFF: ${what}`);
}

function first(tags: Tags, tag: number, missing: number): number {
  return tags.get(tag)?.[0] ?? missing;
}

function* tagsOfPages(file: Uint8Array): Generator<Tags> {
  const reader = new Directories(file);
  const seen = new Set<number>();
  for (let place = reader.first; place !== 0 && !seen.has(place); ) {
    if (seen.size === MOST_PAGES) throw refusal(`over ${MOST_PAGES} pages`);
    seen.add(place);
    const { tags, following } = reader.at(place);
    yield tags;
    place = following;
  }
}

/** Reads directories of both byte orders and sizes. */
class Directories {
  private readonly view: DataView;
  private readonly little: boolean;
  private readonly big: boolean;

  constructor(file: Uint8Array) {
    this.view = viewOf(file);
    this.little = file[0] === 0x49;
    this.big = this.view.getUint16(2, this.little) === 43;
  }

  get first(): number {
    return this.place(this.big ? 8 : 4);
  }

  at(place: number): { readonly tags: Tags; readonly following: number } {
    const [head, size] = this.big ? [8, 20] : [2, 12];
    const count = this.big ? this.place(place) : this.view.getUint16(place, this.little);
    const tags = new Map<number, readonly number[]>();
    for (let entry = place + head; entry < place + head + count * size; entry += size) {
      const tag = this.view.getUint16(entry, this.little);
      if (TAGS.has(tag) && !tags.has(tag)) tags.set(tag, this.integers(entry));
    }
    return { tags, following: this.place(place + head + count * size) };
  }

  /** Returns the integers of an entry; none if it has another type. */
  private integers(entry: number): readonly number[] {
    const size = { 1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 }[this.view.getUint16(entry + 2, this.little)];
    const room = this.big ? 8 : 4;
    const count = this.place(entry + 4);
    if (size === undefined) return [];
    const start = size * count > room ? this.place(entry + 4 + room) : entry + 4 + room;
    return Array.from({ length: Math.min(count, 64) }, (_, index) => this.integer(start + index * size, size));
  }

  private integer(place: number, size: number): number {
    if (size === 1) return this.view.getUint8(place);
    if (size === 2) return this.view.getUint16(place, this.little);
    return size === 4 ? this.view.getUint32(place, this.little) : Number(this.view.getBigUint64(place, this.little));
  }

  /** Returns a position or a count, whose size is that of the file's addresses. */
  private place(place: number): number {
    return this.integer(place, this.big ? 8 : 4);
  }
}
