/** A further worker of the app: builds the table of colors at its start, and then renders rows of photos. */

import { type Rows, renderRows } from "./core/colorize";
import { colorTable } from "./core/table";

self.onmessage = ({ data }: MessageEvent<Rows>): void => {
  const pixels = new Uint32Array(data.levels.length).fill(0xff000000);
  const stats = renderRows(data, pixels);
  self.postMessage({ pixels, stats }, { transfer: [pixels.buffer] });
};

self.postMessage(colorTable());
