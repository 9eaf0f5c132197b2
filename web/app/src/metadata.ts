/** Metadata of image files: EXIF and XMP are read from the photo and written into the encoded result. */

import { bytes, joined, JPEG_PROFILE, jpegSegments, kindOf, type Part, PNG_START, pngChunk, pngChunks, startsWith, viewOf, webpChunks } from "./containers";
import { heifItems, isHeif } from "./heif";

/** The metadata that the result carries over. */
export interface Metadata {
  /** The EXIF block, which begins with the byte order of a TIFF file. */
  readonly exif?: Uint8Array<ArrayBuffer>;
  readonly xmp?: string;
}

/** What the notice of inferred colors states, in the fields of `chromalab.colorization.disclosure`. */
export interface Disclosure {
  readonly statement: string;
  readonly model: string;
  readonly modelSha256: string;
  readonly version: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

const JPEG_EXIF = "Exif\0\0";
const JPEG_XMP = "http://ns.adobe.com/xap/1.0/\0";
const PNG_XMP = "XML:com.adobe.xmp\0\0\0\0\0";
const SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const CHROMALAB = "https://chromalab.org/ns/1.0/";
/** Largest content of a JPEG segment. */
const SEGMENT_BYTES = 65_533;
/** The profile of sRGB that the Python tool writes (from saucecontrol's Compact ICC Profiles, CC0), in Base64. */
const SRGB_PROFILE =
  "AAAB4GxjbXMEIAAAbW50clJHQiBYWVogB+IAAwAUAAkADgAdYWNzcE1TRlQAAAAAc2F3c2N0cmwAAAAAAAAAAAAAAAAAAPbWAAEAAAAA0y1oYW" +
  "5keem/Vlo+AbaDI4VVRvdPqgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAKZGVzYwAAAPwAAAAkY3BydAAAASAAAAAid3RwdAAAAUQA" +
  "AAAUY2hhZAAAAVgAAAAsclhZWgAAAYQAAAAUZ1hZWgAAAZgAAAAUYlhZWgAAAawAAAAUclRSQwAAAcAAAAAgZ1RSQwAAAcAAAAAgYlRSQwAAAc" +
  "AAAAAgbWx1YwAAAAAAAAABAAAADGVuVVMAAAAIAAAAHABzAFIARwBCbWx1YwAAAAAAAAABAAAADGVuVVMAAAAGAAAAHABDAEMAMAAAWFlaIAAA" +
  "AAAAAPbWAAEAAAAA0y1zZjMyAAAAAAABDD8AAAXd///zJgAAB5AAAP2S///7of///aIAAAPcAADAcVhZWiAAAAAAAABvoAAAOPIAAAOPWFlaIA" +
  "AAAAAAAGKWAAC3iQAAGNpYWVogAAAAAAAAJKAAAA+FAAC2xHBhcmEAAAAAAAMAAAACZmkAAPKnAAANWQAAE9AAAApb";
const RELATIVE_INTENT = 1;
const ORIENTATION = 0x0112;
const SHORT = 3;

/** Returns the metadata of a JPEG, PNG, WebP, HEIC or AVIF file; other files and damaged parts give none. */
export function readMetadata(file: Uint8Array): Metadata {
  const kind = kindOf(file);
  const found: { exif?: Uint8Array<ArrayBuffer>; xmp?: string } = {};
  if (kind === "jpeg") {
    for (const { name, body } of jpegSegments(file)) {
      if (name === "e1" && startsWith(body, JPEG_EXIF)) found.exif ??= body.slice(JPEG_EXIF.length);
      if (name === "e1" && startsWith(body, JPEG_XMP)) found.xmp ??= utf8(body.subarray(JPEG_XMP.length));
    }
  } else if (kind === "png") {
    for (const { name, body } of pngChunks(file)) {
      if (name === "eXIf") found.exif ??= body.slice();
      if (name === "iTXt" && startsWith(body, PNG_XMP)) found.xmp ??= utf8(body.subarray(PNG_XMP.length));
    }
  } else if (kind === "webp") {
    for (const { name, body } of webpChunks(file)) {
      const start = startsWith(body, JPEG_EXIF) ? JPEG_EXIF.length : 0; // some programs write the mark of JPEG files
      if (name === "EXIF") found.exif ??= body.slice(start);
      if (name === "XMP ") found.xmp ??= utf8(body);
    }
  } else if (isHeif(file)) {
    for (const item of heifItems(file, "Exif")) {
      if (item.length > 8) found.exif ??= item.slice(4 + viewOf(item).getUint32(0)); // the number tells where the block begins
    }
    for (const item of heifItems(file, "mime")) {
      const text = utf8(item);
      if (text.includes("<x:xmpmeta")) found.xmp ??= text;
    }
  }
  return found;
}

/** Returns whether an EXIF block or an XMP packet is short enough for a segment of a JPEG file. */
export function fitsJpeg(part: Uint8Array | string): boolean {
  const length = typeof part === "string" ? JPEG_XMP.length + new TextEncoder().encode(part).length : JPEG_EXIF.length + part.length;
  return length <= SEGMENT_BYTES;
}

/**
 * Returns an encoded JPEG, PNG or WebP file with metadata and a profile of sRGB.
 *
 * Parts that are too long for a JPEG segment are left out.
 */
export function withMetadata(file: Uint8Array, metadata: Metadata): Uint8Array<ArrayBuffer> {
  const kind = kindOf(file);
  return kind === "png" ? intoPng(file, metadata) : kind === "webp" ? intoWebp(file, metadata) : intoJpeg(file, metadata);
}

/**
 * Returns an EXIF block for pixels that are upright: orientation 1, and without the thumbnail, which shows the source.
 *
 * A block that cannot be read gives undefined.
 */
export function uprightExif(exif: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const block = exif.slice();
  const view = viewOf(block);
  try {
    const little = view.getUint16(0) === 0x4949;
    if (view.getUint16(2, little) !== 42) return undefined;
    const first = view.getUint32(4, little);
    const count = view.getUint16(first, little);
    for (let entry = first + 2; entry < first + 2 + 12 * count; entry += 12) {
      if (view.getUint16(entry, little) === ORIENTATION && view.getUint16(entry + 2, little) === SHORT) {
        view.setUint16(entry + 8, 1, little);
      }
    }
    clearThumbnail(block, view, first + 2 + 12 * count, little);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return block;
}

/** Unlinks the second directory, which describes the thumbnail, and overwrites the thumbnail with zeros. */
function clearThumbnail(block: Uint8Array, view: DataView, link: number, little: boolean): void {
  const second = view.getUint32(link, little);
  if (second === 0) return;
  view.setUint32(link, 0, little);
  let start = 0;
  let length = 0;
  const count = view.getUint16(second, little);
  for (let entry = second + 2; entry < second + 2 + 12 * count; entry += 12) {
    if (view.getUint16(entry, little) === 0x0201) start = view.getUint32(entry + 8, little);
    if (view.getUint16(entry, little) === 0x0202) length = view.getUint32(entry + 8, little);
  }
  block.fill(0, start, Math.min(block.length, start + length));
}

/** Returns an XMP packet with the notice of inferred colors and all other properties of the given packet. */
export function withDisclosure(xmp: string | undefined, disclosure: Disclosure): string {
  const properties = {
    "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE,
    "Iptc4xmpExt:AISystemUsed": "chromalab",
    "Iptc4xmpExt:AISystemVersionUsed": `${disclosure.version}, model ${disclosure.model}`,
    "chromalab:Statement": disclosure.statement,
    "chromalab:Model": disclosure.model,
    "chromalab:ModelSHA256": disclosure.modelSha256,
    "chromalab:Version": disclosure.version,
    "chromalab:Parameters": JSON.stringify(disclosure.parameters),
  };
  const lines = Object.entries(properties).map(([name, value]) => `   <${name}>${escaped(value)}</${name}>`);
  const rest = xmp === undefined ? "" : withoutDisclosure(xmp);
  const end = /<\/([\w.-]+):RDF\s*>(?![\s\S]*<\/[\w.-]+:RDF\s*>)/.exec(rest);
  const rdf = end?.[1] ?? "rdf";
  const about = escaped(/\babout\s*=\s*["']([^"'<&]*)["']/.exec(rest)?.[1] ?? "");
  const description =
    `  <${rdf}:Description ${rdf}:about="${about}" xmlns:Iptc4xmpExt="${IPTC}" xmlns:chromalab="${CHROMALAB}">\n` +
    `${lines.join("\n")}\n  </${rdf}:Description>\n `;
  if (end !== null) return rest.slice(0, end.index) + description + rest.slice(end.index);
  return (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n' +
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n' +
    `${description}</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>`
  );
}

/** Removes an earlier notice and what no longer holds of the result: its orientation, and the mark of further packets. */
function withoutDisclosure(xmp: string): string {
  const name =
    "(?:Iptc4xmpExt:(?:DigitalSourceType|AISystemUsed|AISystemVersionUsed)|chromalab:\\w+|tiff:Orientation|xmpNote:HasExtendedXMP)";
  return xmp
    .replace(new RegExp(`<(${name})(?:\\s[^>]*)?(?:/>|>[^<]*</\\1\\s*>)`, "g"), "")
    .replace(new RegExp(`\\s${name}\\s*=\\s*(?:"[^"]*"|'[^']*')`, "g"), "");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function intoJpeg(file: Uint8Array, { exif, xmp }: Metadata): Uint8Array<ArrayBuffer> {
  const parts: [number, Uint8Array][] = [];
  if (exif !== undefined) parts.push([0xe1, joined(bytes(JPEG_EXIF), exif)]);
  if (xmp !== undefined) parts.push([0xe1, joined(bytes(JPEG_XMP), new TextEncoder().encode(xmp))]);
  const profiled = [...jpegSegments(file)].some(({ name, body }) => name === "e2" && startsWith(body, JPEG_PROFILE));
  if (!profiled) parts.push([0xe2, joined(bytes(`${JPEG_PROFILE}\x01\x01`), srgbProfile())]);
  const segments = parts
    .filter(([, part]) => part.length <= SEGMENT_BYTES)
    .map(([marker, part]) => joined(Uint8Array.of(0xff, marker, (part.length + 2) >> 8, (part.length + 2) & 255), part));
  // Metadata follow the JFIF segment, which must be the first.
  const start = file[3] === 0xe0 ? 4 + ((file[4]! << 8) | file[5]!) : 2;
  return joined(file.subarray(0, start), ...segments, file.subarray(start));
}

/** Adds chunks behind the first one; `sRGB` stands for the profile. */
function intoPng(file: Uint8Array, { exif, xmp }: Metadata): Uint8Array<ArrayBuffer> {
  const names = [...pngChunks(file)].map(({ name }) => name);
  const chunks: Uint8Array[] = [];
  if (!names.includes("sRGB") && !names.includes("iCCP")) chunks.push(pngChunk("sRGB", Uint8Array.of(RELATIVE_INTENT)));
  if (exif !== undefined) chunks.push(pngChunk("eXIf", exif));
  if (xmp !== undefined) chunks.push(pngChunk("iTXt", joined(bytes(PNG_XMP), new TextEncoder().encode(xmp))));
  const start = PNG_START.length + 25; // IHDR is the first chunk and has 13 bytes
  return joined(file.subarray(0, start), ...chunks, file.subarray(start));
}

/** Puts the chunks of a WebP file into their order, behind the one that announces them. */
function intoWebp(file: Uint8Array, { exif, xmp }: Metadata): Uint8Array<ArrayBuffer> {
  const pixels = [...webpChunks(file)].filter(({ name }) => ["ALPH", "VP8 ", "VP8L"].includes(name));
  const transparent = pixels.some(({ name, body }) => name === "ALPH" || (name === "VP8L" && (body[4]! & 0x10) !== 0));
  const { width, height } = webpSize(pixels[pixels.length - 1]!);
  const head = new Uint8Array(10);
  head[0] = 0x20 | (transparent ? 0x10 : 0) | (exif === undefined ? 0 : 8) | (xmp === undefined ? 0 : 4);
  for (let byte = 0; byte < 3; byte++) {
    head[4 + byte] = (width - 1) >> (8 * byte);
    head[7 + byte] = (height - 1) >> (8 * byte);
  }
  const chunks = [webpChunk("VP8X", head), webpChunk("ICCP", srgbProfile()), ...pixels.map(({ name, body }) => webpChunk(name, body))];
  if (exif !== undefined) chunks.push(webpChunk("EXIF", exif));
  if (xmp !== undefined) chunks.push(webpChunk("XMP ", new TextEncoder().encode(xmp)));
  const content = joined(bytes("WEBP"), ...chunks);
  return joined(bytes("RIFF"), littleEndian(content.length), content);
}

function webpSize({ name, body }: Part): { width: number; height: number } {
  const view = viewOf(body);
  if (name === "VP8 ") return { width: view.getUint16(6, true) & 0x3fff, height: view.getUint16(8, true) & 0x3fff };
  const sizes = view.getUint32(1, true);
  return { width: (sizes & 0x3fff) + 1, height: ((sizes >>> 14) & 0x3fff) + 1 };
}

function webpChunk(name: string, body: Uint8Array): Uint8Array {
  return joined(bytes(name), littleEndian(body.length), body, new Uint8Array(body.length % 2));
}

function littleEndian(value: number): Uint8Array {
  const four = new Uint8Array(4);
  viewOf(four).setUint32(0, value, true);
  return four;
}

function srgbProfile(): Uint8Array {
  return bytes(atob(SRGB_PROFILE));
}

function utf8(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
