/** Image files to upright sRGB pixels, and back, in a worker. */

import type { Format } from "./protocol";

/** An error whose kind has a sentence in the page's language. */
export class PhotoError extends Error {
  constructor(
    readonly failure: "unreadable" | "tooLarge" | "memory" | "encoding",
    message: string,
  ) {
    super(message);
  }
}

export interface Pixels {
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly height: number;
  readonly width: number;
}

/** Quality of JPEG files, as in the Python code. */
const JPEG_QUALITY = 0.92;
/** Larger photos are refused: their pixels, levels and encoded copy would need several gigabytes. */
const MAX_PIXELS = 160_000_000;
/** Longest side of a canvas in current browsers. */
const MAX_CANVAS_PX = 16_384;
const TILE_PX = 2048;

/** Decodes a photo; the browser applies its EXIF orientation and converts its colors to sRGB. */
export async function decode(file: Blob): Promise<Pixels> {
  const bitmap = await opened(file);
  try {
    const { height, width } = bitmap;
    if (height * width > MAX_PIXELS) throw new PhotoError("tooLarge", `${width} x ${height} pixels`);
    const rgba = allocated(4 * height * width);
    copyTiles(bitmap, rgba);
    return { rgba, height, width };
  } finally {
    bitmap.close();
  }
}

async function opened(file: Blob): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "none" });
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

/** Copies the pixels tile by tile, because a canvas cannot have every size. */
function copyTiles(bitmap: ImageBitmap, rgba: Uint8ClampedArray): void {
  const { height, width } = bitmap;
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
}

/** Encodes pixels as a file without metadata. */
export async function encode({ rgba, height, width }: Pixels, format: Format): Promise<Blob> {
  if (Math.max(height, width) > MAX_CANVAS_PX) throw new PhotoError("encoding", `${width} x ${height} pixels`);
  try {
    const canvas = new OffscreenCanvas(width, height);
    contextOf(canvas).putImageData(new ImageData(rgba, width, height), 0, 0);
    const file = await canvas.convertToBlob({ type: format, quality: JPEG_QUALITY });
    if (file.type !== format) throw new Error(`the browser wrote ${file.type}`);
    return file;
  } catch (error) {
    throw new PhotoError("encoding", String(error));
  }
}

function contextOf(canvas: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (context === null) throw new PhotoError("memory", `canvas of ${canvas.width} x ${canvas.height} pixels`);
  return context;
}
