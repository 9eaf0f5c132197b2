/** ZIP archives of results, written without compression, because image files hardly become smaller. */

import { Zip, ZipPassThrough } from "fflate";

/** Archives without the ZIP64 extension must stay below 4 GiB. */
export const LARGEST_BYTES = 4_000_000_000;
/** Files are copied in pieces of this size; the browser may move them from memory to disk. */
const PIECE_BYTES = 4 << 20;

export class Archive {
  /** Size of the files so far. */
  bytes = 0;
  count = 0;
  private readonly pieces: Blob[] = [];
  private readonly zip = new Zip((error, piece) => {
    if (error !== null) throw error;
    this.pieces.push(new Blob([piece as Uint8Array<ArrayBuffer>]));
  });

  async add(name: string, file: Blob, changed: number): Promise<void> {
    const entry = new ZipPassThrough(name);
    entry.mtime = changed;
    this.zip.add(entry);
    for (let start = 0; start < file.size; start += PIECE_BYTES) {
      entry.push(new Uint8Array(await file.slice(start, start + PIECE_BYTES).arrayBuffer()));
    }
    entry.push(new Uint8Array(), true);
    this.bytes += file.size;
    this.count++;
  }

  end(): Blob {
    this.zip.end();
    return new Blob(this.pieces, { type: "application/zip" });
  }
}

/** Returns the name of a result: the photo's name with a suffix and the ending of the format. */
export function resultName(name: string, suffix: string, format: string): string {
  const ending = format === "image/jpeg" ? "jpg" : format.slice("image/".length);
  return `${name.replace(/(?<=.)\.[^.]*$/, "")}.${suffix}.${ending}`;
}

/** Returns the name, with a number if it is taken, and takes it; upper and lower case are the same on many systems. */
export function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = name.replace(/(\.[^.]*)?$/, ` (${number})$1`);
  taken.add(unique.toLowerCase());
  return unique;
}
