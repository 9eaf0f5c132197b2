/**
 * Resizing as the Python code does it with libvips in floating point: Lanczos (a = 3) down, Catmull-Rom up.
 *
 * libvips computes its filters at 64 positions between two pixels, first reduces by averaging whole blocks, and centers
 * a result whose size is rounded. All of this is repeated here, so that both programs feed the network the same input.
 */

import { clamp, type Plane, roundHalfEven, zeros } from "./plane";

/** Number of filter positions between two pixels. */
const POSITIONS = 64;

/** Larger reductions begin with a box filter that leaves at least this factor to the Lanczos filter. */
const FILTER_GAP = 4;

const LOBES = 3;

/** Returns [height, width] after scaling the shorter side to `shortest`, the longer one in proportion. */
export function targetSize(height: number, width: number, shortest: number): [number, number] {
  const side = Math.min(height, width);
  return [height, width].map((full) => Math.max(1, Math.floor((full * shortest) / side + 0.5))) as [number, number];
}

/** Returns the reduced copy of gray levels that the colors are computed on, 0 to 255. */
export function reducedLevels(levels: Uint8Array | Float32Array, height: number, width: number, shortest: number): Plane {
  const [rows, columns] = targetSize(height, width, Math.min(shortest, height, width));
  const shrink = Math.max(1, Math.min(Math.floor(height / (2 * rows)), Math.floor(width / (2 * columns))));
  const blocks = shrunk(levels, height, width, shrink);
  const small = resizePlane(blocks, rows, columns);
  return { ...small, data: small.data.map((value) => clamp(value, 0, 255)) };
}

/** Averages square blocks; means of integers are rounded to integers down the columns and then along the rows. */
function shrunk(levels: Uint8Array | Float32Array, height: number, width: number, side: number): Plane {
  if (side === 1) return { data: Float32Array.from(levels), height, width };
  const out = zeros(Math.max(1, Math.floor(height / side + 0.5)), Math.max(1, Math.floor(width / side + 0.5)));
  const half = levels instanceof Uint8Array ? side >> 1 : 0;
  const sums = new Float64Array(width);
  for (let row = 0; row < out.height; row++) {
    sums.fill(half);
    for (let part = 0; part < side; part++) {
      addLine(sums, levels.subarray(Math.min(row * side + part, height - 1) * width));
    }
    averageBlocks(sums, side, half, levels instanceof Uint8Array, out.data.subarray(row * out.width, (row + 1) * out.width));
  }
  return out;
}

function addLine(sums: Float64Array, line: Uint8Array | Float32Array): void {
  for (let x = 0; x < sums.length; x++) sums[x]! += line[x]!;
}

function averageBlocks(sums: Float64Array, side: number, half: number, whole: boolean, out: Float32Array): void {
  for (let column = 0; column < out.length; column++) {
    let sum = half;
    for (let part = 0; part < side; part++) {
      const mean = sums[Math.min(column * side + part, sums.length - 1)]! / side;
      sum += whole ? Math.floor(mean) : mean;
    }
    out[column] = whole ? Math.floor(sum / side) : sum / side;
  }
}

/** Scales a plane to another size; values may overshoot a little. The same plane is returned if it has this size. */
export function resizePlane(plane: Plane, height: number, width: number): Plane {
  let result = plane;
  if (height < result.height) result = alongColumns(result, (count) => reduction(count, height), height);
  if (width < result.width) result = alongRows(result, (count) => reduction(count, width), width);
  const enlargedRows = result.height < height;
  const enlargedColumns = result.width < width;
  if (enlargedRows) result = alongColumns(result, (count) => enlargement(count, height), height);
  if (enlargedColumns) result = alongRows(result, (count) => enlargement(count, width), width);
  return result;
}

/** A filter along one axis: each output value is the sum of `taps` input values at `places` times `weights`. */
interface Filter {
  readonly taps: number;
  readonly places: Int32Array;
  readonly weights: Float64Array;
}

function alongRows(plane: Plane, filterFor: (count: number) => Filter, width: number): Plane {
  const { taps, places, weights } = filterFor(plane.width);
  const out = zeros(plane.height, width);
  for (let y = 0; y < plane.height; y++) {
    const start = y * plane.width;
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let tap = x * taps; tap < (x + 1) * taps; tap++) sum += weights[tap]! * plane.data[start + places[tap]!]!;
      out.data[y * width + x] = sum;
    }
  }
  return out;
}

function alongColumns(plane: Plane, filterFor: (count: number) => Filter, height: number): Plane {
  const { taps, places, weights } = filterFor(plane.height);
  const { width } = plane;
  const out = zeros(height, width);
  const sums = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let tap = y * taps; tap < (y + 1) * taps; tap++) {
      const weight = weights[tap]!;
      const start = places[tap]! * width;
      for (let x = 0; x < width; x++) sums[x]! += weight * plane.data[start + x]!;
    }
    out.data.set(sums, y * width);
  }
  return out;
}

/** Returns the filter that reduces `count` values to `target`: averages of blocks, then Lanczos. */
function reduction(count: number, target: number): Filter {
  const block = Math.max(1, Math.floor(count / target / FILTER_GAP));
  const lanczos = lanczosFilter(Math.ceil(count / block), count, target, block);
  return block === 1 ? lanczos : overBlocks(lanczos, block, count);
}

function lanczosFilter(blocks: number, count: number, target: number, block: number): Filter {
  const shrink = count / target / block;
  if (shrink === 1) return { taps: 1, places: Int32Array.from({ length: target }, (_, i) => i), weights: new Float64Array(target).fill(1) };
  const reach = roundHalfEven(LOBES * shrink);
  const taps = 2 * reach + 1;
  const places = new Int32Array(target * taps);
  const weights = new Float64Array(target * taps);
  for (let index = 0; index < target; index++) {
    const center = (index + 0.5) * shrink;
    const whole = Math.floor(center);
    const position = Math.floor((center - whole) * POSITIONS + 0.5) / POSITIONS;
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = lanczos((tap - (position + taps / 2 - 1)) / shrink);
      weights[index * taps + tap] = weight;
      places[index * taps + tap] = clamp(whole + tap - reach, 0, blocks - 1);
      sum += weight;
    }
    for (let tap = 0; tap < taps; tap++) weights[index * taps + tap]! /= sum;
  }
  return { taps, places, weights };
}

/** Replaces every tap of a filter by the taps of the block that it averages. */
function overBlocks(filter: Filter, block: number, count: number): Filter {
  const taps = filter.taps * block;
  const places = new Int32Array(filter.places.length * block);
  const weights = new Float64Array(places.length);
  filter.places.forEach((place, index) => {
    for (let part = 0; part < block; part++) {
      places[index * block + part] = Math.min(place * block + part, count - 1);
      weights[index * block + part] = filter.weights[index]! / block;
    }
  });
  return { taps, places, weights };
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= LOBES) return 0;
  const angle = Math.PI * x;
  return (LOBES * Math.sin(angle) * Math.sin(angle / LOBES)) / (angle * angle);
}

/** Returns the Catmull-Rom filter that enlarges `count` values to `target`, between pixel centers. */
function enlargement(count: number, target: number): Filter {
  const places = new Int32Array(4 * target);
  const weights = new Float64Array(4 * target);
  for (let index = 0; index < target; index++) {
    const center = (index + 0.5) * (count / target) - 0.5;
    const whole = Math.floor(center);
    const x = Math.floor((center - whole) * POSITIONS + 0.5) / POSITIONS;
    const values = [((2 - x) * x - 1) * x * 0.5, ((3 * x - 5) * x * x + 2) * 0.5, ((4 - 3 * x) * x + 1) * x * 0.5, (x - 1) * x * x * 0.5];
    values.forEach((value, tap) => {
      weights[4 * index + tap] = value;
      places[4 * index + tap] = clamp(whole + tap - 1, 0, count - 1);
    });
  }
  return { taps: 4, places, weights };
}
