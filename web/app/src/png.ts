/** Writing PNG files of any size, with the colors of transparent pixels, which a canvas would erase. */

import { bytes, joined, PNG_START, pngChunk } from "./containers";

/** Rows are compressed in parts of about this many bytes, so that only the file is held beside the pixels. */
const PART_BYTES = 1 << 20;
/** PNG's filter that stores differences to the average of the pixels on the left and above. */
const AVERAGE = 3;

/**
 * Encodes pixels as a PNG file.
 *
 * @param rgba four bytes per pixel.
 * @param channels 3 leaves the alpha out.
 */
export async function encodePng(rgba: Uint8ClampedArray, height: number, width: number, channels: 3 | 4): Promise<Uint8Array<ArrayBuffer>> {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head[8] = 8; // bits per channel
  head[9] = channels === 4 ? 6 : 2;
  const stream = new CompressionStream("deflate");
  const writing = write(stream.writable.getWriter(), rgba, height, width, channels);
  const pixels = new Uint8Array(await new Response(stream.readable).arrayBuffer());
  await writing;
  return joined(bytes(PNG_START), pngChunk("IHDR", head), pngChunk("IDAT", pixels), pngChunk("IEND", new Uint8Array(0)));
}

async function write(
  writer: WritableStreamDefaultWriter<BufferSource>,
  rgba: Uint8ClampedArray,
  height: number,
  width: number,
  channels: 3 | 4,
): Promise<void> {
  const rowBytes = 1 + channels * width;
  const rows = Math.max(1, Math.floor(PART_BYTES / rowBytes));
  for (let first = 0; first < height; first += rows) {
    const count = Math.min(rows, height - first);
    const part = new Uint8Array(count * rowBytes);
    for (let row = 0; row < count; row++) filterRow(rgba, first + row, width, channels, part.subarray(row * rowBytes, (row + 1) * rowBytes));
    await writer.ready;
    await writer.write(part);
  }
  await writer.close();
}

/** Writes one row: the number of its filter, and its filtered bytes. */
function filterRow(rgba: Uint8ClampedArray, row: number, width: number, channels: 3 | 4, out: Uint8Array): void {
  const start = 4 * row * width;
  const above = start - 4 * width;
  out[0] = AVERAGE;
  let place = 1;
  for (let x = 0; x < 4 * width; x += 4) {
    for (let channel = 0; channel < channels; channel++) {
      const left = x === 0 ? 0 : rgba[start + x - 4 + channel]!;
      const upper = row === 0 ? 0 : rgba[above + x + channel]!;
      out[place++] = rgba[start + x + channel]! - ((left + upper) >> 1);
    }
  }
}
