/** Bitmaps that the page shows: tiles of photos, and thumbnails. */

/** @import { Tile } from "./types" */

/** Side of the tiles; every browser can show canvases of this size. */
const TILE_PX = 2048;
const THUMBNAIL_PX = 224;

/**
 * Cuts a photo into tiles.
 *
 * @param {ImageBitmap | ImageData} photo
 */
export async function tilesOf(photo) {
  /** @type {Tile[]} */
  const tiles = [];
  for (let y = 0; y < photo.height; y += TILE_PX) {
    for (let x = 0; x < photo.width; x += TILE_PX) {
      const [width, height] = [Math.min(TILE_PX, photo.width - x), Math.min(TILE_PX, photo.height - y)];
      tiles.push({ x, y, width, height, bitmap: await createImageBitmap(photo, x, y, width, height) });
    }
  }
  return tiles;
}

/**
 * Returns a small JPEG file of a photo.
 *
 * @param {ImageBitmap} photo
 */
export function thumbnail(photo) {
  const scale = Math.min(1, THUMBNAIL_PX / Math.max(photo.width, photo.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(scale * photo.width)), Math.max(1, Math.round(scale * photo.height)));
  canvas.getContext("2d")?.drawImage(photo, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}
