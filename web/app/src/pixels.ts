/** Image files to upright gray levels, and colored pixels to files, in a worker. */

import { changesInBrowser, type Kind, kindOf } from "./containers";
import { levelsOf } from "./core/levels";
import { PhotoError } from "./failures";
import { encodePng } from "./png";
import type { Format, Note } from "./protocol";
import { isAvailable, save, type Scan, scan } from "./vips";

export { PhotoError } from "./failures";

/** A decoded photo. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  /** One byte per pixel. */
  readonly levels: Uint8Array;
  /** The same levels before they were rounded, of a file with 16 bits per value. */
  readonly exact?: Float32Array | undefined;
  /** Four bytes per pixel: the alpha of the photo, and space for the result's colors. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly transparent: boolean;
  /** What the result does not have of the photo. */
  readonly notes: readonly Note[];
}

/** Quality of JPEG and WebP files, as in the Python code. */
const QUALITY = 92;
/** Larger photos are refused: their pixels, levels and encoded copy would need several gigabytes. */
const MAX_PIXELS = 160_000_000;
/** Longest side of a canvas in current browsers. */
const MAX_CANVAS_PX = 16_384;
/** Longest sides of files, as in the Python code. */
const LONGEST_SIDES: Readonly<Partial<Record<Format, number>>> = { "image/jpeg": 65_500, "image/webp": 16_383 };
/** Larger photos are read in tiles: Safari on phones leaves larger canvases empty, without an error. */
const WHOLE_PIXELS = 16_777_216;
const TILE_PX = 2048;

/** Decodes a photo; its EXIF orientation is applied, and its colors become gray levels of sRGB. */
export async function decode(file: Blob): Promise<Pixels> {
  const content = new Uint8Array(await file.arrayBuffer());
  if (!changesInBrowser(content)) return inBrowser(file, []);
  if (isAvailable()) return withSpace(await scan(content, MAX_PIXELS), kindOf(content));
  return inBrowser(file, ["approximate"]);
}

function withSpace({ height, width, levels, exact, alpha, pages, leftOut }: Scan, kind: Kind): Pixels {
  const rgba = allocated(4 * height * width);
  for (let pixel = 0; pixel < levels.length; pixel++) rgba[4 * pixel + 3] = alpha === undefined ? 255 : alpha[pixel]!;
  const notes: Note[] = [];
  if (exact !== undefined) notes.push("sixteenBits");
  if (pages > 1) notes.push("firstPage");
  if (leftOut) notes.push("leftOut");
  if (kind === "tiff") notes.push("noMetadata");
  return { height, width, levels, exact, rgba, transparent: alpha !== undefined, notes };
}

/** Decodes a photo with the browser's decoder, which converts its colors to 8-bit sRGB. */
async function inBrowser(file: Blob, notes: readonly Note[]): Promise<Pixels> {
  const bitmap = await opened(file);
  try {
    const { height, width } = bitmap;
    if (height * width > MAX_PIXELS) throw new PhotoError("tooLarge", `${width} x ${height} pixels`);
    const rgba = pixelsOf(bitmap);
    const levels = new Uint8Array(height * width);
    levelsOf(rgba, levels);
    return { height, width, levels, rgba, transparent: hasAlpha(rgba), notes };
  } finally {
    bitmap.close();
  }
}

function hasAlpha(rgba: Uint8ClampedArray<ArrayBuffer>): boolean {
  for (let place = 3; place < rgba.length; place += 4) if (rgba[place] !== 255) return true;
  return false;
}

async function opened(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (error) {
    throw new PhotoError("unreadable", String(error));
  }
}

function allocated(bytes: number): Uint8ClampedArray<ArrayBuffer> {
  try {
    return new Uint8ClampedArray(bytes);
  } catch {
    throw new PhotoError("memory", `${bytes} bytes`);
  }
}

function pixelsOf(bitmap: ImageBitmap): Uint8ClampedArray<ArrayBuffer> {
  const { height, width } = bitmap;
  if (height * width > WHOLE_PIXELS || Math.max(height, width) > MAX_CANVAS_PX) return copiedTiles(bitmap);
  const context = contextOf(new OffscreenCanvas(width, height));
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

/** Copies the pixels tile by tile, because a canvas cannot have every size. */
function copiedTiles(bitmap: ImageBitmap): Uint8ClampedArray<ArrayBuffer> {
  const { height, width } = bitmap;
  const rgba = allocated(4 * height * width);
  const canvas = new OffscreenCanvas(Math.min(TILE_PX, width), Math.min(TILE_PX, height));
  const context = contextOf(canvas);
  for (let top = 0; top < height; top += TILE_PX) {
    for (let left = 0; left < width; left += TILE_PX) {
      const rows = Math.min(TILE_PX, height - top);
      const columns = Math.min(TILE_PX, width - left);
      context.clearRect(0, 0, columns, rows);
      context.drawImage(bitmap, -left, -top);
      const tile = context.getImageData(0, 0, columns, rows).data;
      for (let row = 0; row < rows; row++) {
        rgba.set(tile.subarray(4 * row * columns, 4 * (row + 1) * columns), 4 * ((top + row) * width + left));
      }
    }
  }
  return rgba;
}

/** Encodes colored pixels as a file without metadata; only JPEG shows transparent pixels on white. */
export async function encode(pixels: Pixels, format: Format): Promise<Blob> {
  const { rgba, height, width, transparent } = pixels;
  const side = Math.max(height, width);
  if (side > (LONGEST_SIDES[format] ?? Infinity)) throw new PhotoError("encoding", `${width} x ${height} pixels`);
  try {
    if (format === "image/png") return new Blob([await encodePng(rgba, height, width, transparent ? 4 : 3)], { type: format });
    const flat = transparent && format === "image/jpeg" ? onWhite(rgba) : rgba;
    const erased = transparent && format === "image/webp";
    const file = isAvailable() && (erased || side > MAX_CANVAS_PX) ? undefined : await encodeCanvas(flat, height, width, format);
    if (file !== undefined) return file;
    if (!isAvailable()) throw new Error(`a canvas of ${width} x ${height} pixels stays empty`);
    return new Blob([await save(flat, height, width, erased ? 4 : 3, format, QUALITY)], { type: format });
  } catch (error) {
    throw new PhotoError("encoding", String(error));
  }
}

/** Returns undefined if the canvas stays empty, because this browser has no canvases of this size. */
async function encodeCanvas(
  rgba: Uint8ClampedArray<ArrayBuffer>,
  height: number,
  width: number,
  format: Format,
): Promise<Blob | undefined> {
  const canvas = new OffscreenCanvas(width, height);
  const context = contextOf(canvas);
  context.putImageData(new ImageData(rgba, width, height), 0, 0);
  if (context.getImageData(width - 1, height - 1, 1, 1).data[3] !== rgba[rgba.length - 1]) return undefined;
  const file = await canvas.convertToBlob({ type: format, quality: QUALITY / 100 });
  if (file.type !== format) throw new Error(`the browser wrote ${file.type}`);
  return file;
}

/** Returns pixels shown on white, rounded down as libvips does. */
export function onWhite(rgba: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
  const flat = new Uint8ClampedArray(rgba);
  for (let place = 0; place < flat.length; place += 4) {
    const alpha = flat[place + 3]!;
    if (alpha === 255) continue;
    for (let channel = place; channel < place + 3; channel++) flat[channel] = Math.floor((flat[channel]! * alpha + 255 * (255 - alpha)) / 255);
    flat[place + 3] = 255;
  }
  return flat;
}

function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (context === null) throw new PhotoError("memory", `canvas of ${canvas.width} x ${canvas.height} pixels`);
  return context;
}
