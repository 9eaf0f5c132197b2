/** EXIF and XMP of HEIC and AVIF files, which store them as items beside the image (ISO/IEC 23008-12). */

import { startsWith, viewOf } from "./containers";

interface Box {
  readonly name: string;
  readonly body: Uint8Array;
}

/** Returns whether a file is built of the boxes of HEIC and AVIF files. */
export function isHeif(file: Uint8Array): boolean {
  return startsWith(file.subarray(4), "ftyp");
}

/** Yields the contents of the items of a type, such as `Exif`; damaged parts are left out. */
export function* heifItems(file: Uint8Array, type: string): Generator<Uint8Array> {
  const meta = find(boxes(file), "meta")?.subarray(4);
  if (meta === undefined) return;
  const infos = find(boxes(meta), "iinf");
  const locations = find(boxes(meta), "iloc");
  if (infos === undefined || locations === undefined) return;
  const numbers = new Set(itemNumbers(infos, type));
  for (const { item, start, length } of extents(locations)) {
    if (numbers.has(item)) yield file.subarray(start, start + length);
  }
}

function* boxes(data: Uint8Array): Generator<Box> {
  const view = viewOf(data);
  for (let place = 0; place + 8 <= data.length; ) {
    const size = view.getUint32(place);
    const long = size === 1 && place + 16 <= data.length;
    const length = long ? Number(view.getBigUint64(place + 8)) : size === 0 ? data.length - place : size;
    if (length < 8) return;
    const name = String.fromCharCode(...data.subarray(place + 4, place + 8));
    yield { name, body: data.subarray(place + (long ? 16 : 8), place + length) };
    place += length;
  }
}

function find(all: Iterable<Box>, name: string): Uint8Array | undefined {
  for (const box of all) if (box.name === name) return box.body;
  return undefined;
}

/** Yields the numbers of the items of a type. */
function* itemNumbers(infos: Uint8Array, type: string): Generator<number> {
  for (const { name, body } of boxes(infos.subarray(infos[0] === 0 ? 6 : 8))) {
    if (name !== "infe" || body.length < 14) continue;
    const wide = body[0] === 3;
    const number = wide ? viewOf(body).getUint32(4) : viewOf(body).getUint16(4);
    if (startsWith(body.subarray(wide ? 10 : 8), type)) yield number;
  }
}

interface Extent {
  readonly item: number;
  readonly start: number;
  readonly length: number;
}

/** Yields the places in the file where items are stored. */
function* extents(locations: Uint8Array): Generator<Extent> {
  const reader = new Reader(locations);
  const version = reader.number(1);
  reader.number(3);
  const [sizes, more] = [reader.number(1), reader.number(1)];
  const count = reader.number(version < 2 ? 2 : 4);
  for (let entry = 0; entry < count && !reader.atEnd; entry++) {
    const item = reader.number(version < 2 ? 2 : 4);
    const method = version === 0 ? 0 : reader.number(2) & 15;
    reader.number(2);
    const base = reader.number(more >> 4);
    const parts = reader.number(2);
    for (let part = 0; part < parts && !reader.atEnd; part++) {
      if (version > 0) reader.number(more & 15);
      const start = base + reader.number(sizes >> 4);
      const length = reader.number(sizes & 15);
      if (method === 0 && parts === 1) yield { item, start, length };
    }
  }
}

/** Reads big-endian numbers one after the other; behind the end they are 0. */
class Reader {
  private place = 0;

  constructor(private readonly data: Uint8Array) {}

  get atEnd(): boolean {
    return this.place >= this.data.length;
  }

  number(size: number): number {
    let value = 0;
    for (let byte = 0; byte < size; byte++) value = value * 256 + (this.data[this.place++] ?? 0);
    return value;
  }
}
