/** Metadata of image files: EXIF and XMP are read from the photo and written into the encoded result. */

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
const PNG_START = "\x89PNG\r\n\x1a\n";
const SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const CHROMALAB = "https://chromalab.org/ns/1.0/";
/** Largest content of a JPEG segment. */
const SEGMENT_BYTES = 65_533;
const ORIENTATION = 0x0112;
const SHORT = 3;

/** Returns the metadata of a JPEG, PNG or WebP file; other files and damaged parts give none. */
export function readMetadata(file: Uint8Array): Metadata {
  if (file[0] === 0xff && file[1] === 0xd8) return fromJpeg(file);
  if (startsWith(file, PNG_START)) return fromPng(file);
  if (startsWith(file, "RIFF") && startsWith(file.subarray(8), "WEBP")) return fromWebp(file);
  return {};
}

/** Returns an encoded JPEG or PNG file with metadata; parts that are too long for a JPEG segment are left out. */
export function withMetadata(file: Uint8Array, metadata: Metadata): Uint8Array<ArrayBuffer> {
  return startsWith(file, PNG_START) ? intoPng(file, metadata) : intoJpeg(file, metadata);
}

function fromJpeg(file: Uint8Array): Metadata {
  const found: { exif?: Uint8Array<ArrayBuffer>; xmp?: string } = {};
  for (let place = 2; place + 4 <= file.length && file[place] === 0xff; ) {
    const marker = file[place + 1]!;
    if (marker === 0xda) break; // the pixels begin
    const length = (file[place + 2]! << 8) | file[place + 3]!;
    const body = file.subarray(place + 4, place + 2 + length);
    if (marker === 0xe1 && startsWith(body, JPEG_EXIF)) found.exif ??= body.slice(JPEG_EXIF.length);
    if (marker === 0xe1 && startsWith(body, JPEG_XMP)) found.xmp ??= utf8(body.subarray(JPEG_XMP.length));
    place += 2 + length;
  }
  return found;
}

function fromPng(file: Uint8Array): Metadata {
  const found: { exif?: Uint8Array<ArrayBuffer>; xmp?: string } = {};
  const view = viewOf(file);
  for (let place = PNG_START.length; place + 12 <= file.length; ) {
    const length = view.getUint32(place);
    const body = file.subarray(place + 8, place + 8 + length);
    if (startsWith(file.subarray(place + 4), "eXIf")) found.exif ??= body.slice();
    if (startsWith(file.subarray(place + 4), "iTXt") && startsWith(body, PNG_XMP)) found.xmp ??= utf8(body.subarray(PNG_XMP.length));
    place += 12 + length;
  }
  return found;
}

function fromWebp(file: Uint8Array): Metadata {
  const found: { exif?: Uint8Array<ArrayBuffer>; xmp?: string } = {};
  const view = viewOf(file);
  for (let place = 12; place + 8 <= file.length; ) {
    const length = view.getUint32(place + 4, true);
    const body = file.subarray(place + 8, place + 8 + length);
    const start = startsWith(body, JPEG_EXIF) ? JPEG_EXIF.length : 0; // some programs write the mark of JPEG files
    if (startsWith(file.subarray(place), "EXIF")) found.exif ??= body.slice(start);
    if (startsWith(file.subarray(place), "XMP ")) found.xmp ??= utf8(body);
    place += 8 + length + (length % 2);
  }
  return found;
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
  const parts: Uint8Array[] = [];
  if (exif !== undefined) parts.push(joined(bytes(JPEG_EXIF), exif));
  if (xmp !== undefined) parts.push(joined(bytes(JPEG_XMP), new TextEncoder().encode(xmp)));
  const segments = parts
    .filter((part) => part.length <= SEGMENT_BYTES)
    .map((part) => joined(Uint8Array.of(0xff, 0xe1, (part.length + 2) >> 8, (part.length + 2) & 255), part));
  // Metadata follow the JFIF segment, which must be the first.
  const start = file[3] === 0xe0 ? 4 + ((file[4]! << 8) | file[5]!) : 2;
  return joined(file.subarray(0, start), ...segments, file.subarray(start));
}

function intoPng(file: Uint8Array, { exif, xmp }: Metadata): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = [];
  if (exif !== undefined) chunks.push(chunk("eXIf", exif));
  if (xmp !== undefined) chunks.push(chunk("iTXt", joined(bytes(PNG_XMP), new TextEncoder().encode(xmp))));
  const start = PNG_START.length + 25; // IHDR is the first chunk and has 13 bytes
  return joined(file.subarray(0, start), ...chunks, file.subarray(start));
}

function chunk(name: string, body: Uint8Array): Uint8Array {
  const whole = joined(new Uint8Array(4), bytes(name), body, new Uint8Array(4));
  const view = viewOf(whole);
  view.setUint32(0, body.length);
  view.setUint32(whole.length - 4, crc32(whole.subarray(4, -4)));
  return whole;
}

/** Returns the checksum of PNG chunks. */
export function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const value of data) {
    crc ^= value;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function utf8(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

function startsWith(data: Uint8Array, text: string): boolean {
  return [...text].every((character, place) => data[place] === character.charCodeAt(0));
}
