/**
 * Hints: known colors at points or in rectangles, propagated along the photo's own edges.
 *
 * A hint applies fully where it is given, and less with growing geodesic distance, in which a step across an edge counts
 * as many steps within a uniform object (Yatziv and Sapiro, "Fast Image and Video Colorization Using Chrominance
 * Blending", 2006). The port of `chromalab.colorization.hints`.
 */

import { rgbToLab } from "./lab";
import type { Chroma } from "./network";
import type { Hint } from "@page/types";
import { type Plane } from "./plane";

/** Difference in gray level between neighbors that counts as one pixel of distance; the cost is quadratic. */
const EDGE = 6;
/** Distance at which a hint's effect has fallen to 1 / e, as a share of the shorter side. */
const REACH = 0.22;
/** Weights of a Gaussian with a standard deviation of one pixel, which removes grain from the edges. */
const GAUSSIAN = gaussian(1, 4);
/** Between two hints the nearer one dominates: exponent of their shares. */
const PARTITION = 4;
/** Tolerance for the rounding of a share of a side times its length, in pixels. */
const ROUNDING = 1e-6;

function gaussian(deviation: number, radius: number): Float64Array {
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, index) => Math.exp((-0.5 * (index - radius) ** 2) / deviation ** 2));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Returns a* and b* of `#rrggbb`. */
export function colorAb(color: string): [number, number] {
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(color.slice(place, place + 2), 16) / 255);
  const lab = rgbToLab(red!, green!, blue!);
  return [lab[1]!, lab[2]!];
}

/** Returns chroma with the known colors; without hints, the given chroma. */
export function applyHints(levels: Plane, chroma: Chroma, hints: readonly Hint[]): Chroma {
  if (hints.length === 0) return chroma;
  const { height, width } = levels;
  const seeds = seedsOf(hints, height, width);
  const edges = new Edges(levels);
  const reach = REACH * Math.min(height, width);
  const size = height * width;
  const strongest = new Float64Array(size);
  const shares = new Float64Array(size).fill(1e-12);
  const pullA = new Float64Array(size);
  const pullB = new Float64Array(size);
  for (const color of new Set(hints.map((hint) => hint.color.toLowerCase()))) {
    const [a, b] = colorAb(color);
    const distance = edges.distances((pixel) => seeds[pixel]! >= 0 && hints[seeds[pixel]!]!.color.toLowerCase() === color, 3 * reach);
    for (let pixel = 0; pixel < size; pixel++) {
      const extent = Math.exp(-((distance[pixel]! / reach) ** 2));
      const share = extent ** PARTITION;
      strongest[pixel] = Math.max(strongest[pixel]!, extent);
      shares[pixel]! += share;
      pullA[pixel]! += share * a;
      pullB[pixel]! += share * b;
    }
  }
  const blended = (plane: Plane, pull: Float64Array): Plane => ({
    ...plane,
    data: plane.data.map((value, pixel) => value * (1 - strongest[pixel]!) + (pull[pixel]! / shares[pixel]!) * strongest[pixel]!),
  });
  return { a: blended(chroma.a, pullA), b: blended(chroma.b, pullB) };
}

/** Returns the index of the hint at each pixel, -1 without a hint; where several cover a pixel, the last applies. */
export function seedsOf(hints: readonly Hint[], height: number, width: number): Int32Array {
  const seeds = new Int32Array(height * width).fill(-1);
  hints.forEach((hint, number) => {
    const [left, right] = pixels(hint.x, hint.x + (hint.width ?? 0), width);
    const [top, lower] = pixels(hint.y, hint.y + (hint.height ?? 0), height);
    for (let y = top; y < lower; y++) seeds.fill(number, y * width + left, y * width + right);
  });
  return seeds;
}

/** Returns the pixels, at least one, that an interval of a side touches, given in shares of the side. */
function pixels(first: number, last: number, count: number): [number, number] {
  const low = Math.floor(first * count + ROUNDING);
  return [Math.min(low, count - 1), Math.min(count, Math.max(Math.ceil(last * count - ROUNDING), low + 1))];
}

/** The costs of steps between neighboring pixels, and shortest paths over them. */
export class Edges {
  private readonly smooth: Float64Array;
  private readonly height: number;
  private readonly width: number;

  constructor(levels: Plane) {
    this.height = levels.height;
    this.width = levels.width;
    this.smooth = smoothed(levels);
  }

  /** Returns every pixel's distance from the nearest starting pixel, infinite beyond `limit` (Dijkstra). */
  distances(starts: (pixel: number) => boolean, limit: number): Float64Array {
    const { height, width, smooth } = this;
    const distance = new Float64Array(height * width).fill(Infinity);
    const queue = new Heap(distance);
    for (let pixel = 0; pixel < distance.length; pixel++) {
      if (!starts(pixel)) continue;
      distance[pixel] = 0;
      queue.update(pixel);
    }
    for (let pixel = queue.pop(); pixel >= 0; pixel = queue.pop()) {
      const x = pixel % width;
      const y = (pixel - x) / width;
      for (let down = y > 0 ? -1 : 0; down <= (y < height - 1 ? 1 : 0); down++) {
        for (let across = x > 0 ? -1 : 0; across <= (x < width - 1 ? 1 : 0); across++) {
          if (down === 0 && across === 0) continue;
          const next = pixel + down * width + across;
          const jump = (smooth[next]! - smooth[pixel]!) / EDGE;
          const length = distance[pixel]! + (down !== 0 && across !== 0 ? Math.SQRT2 : 1) + jump * jump;
          if (length < distance[next]! && length <= limit) {
            distance[next] = length;
            queue.update(next);
          }
        }
      }
    }
    return distance;
  }
}

/** Returns levels smoothed by `GAUSSIAN`; the image is mirrored at its edges. */
function smoothed(levels: Plane): Float64Array {
  const { height, width } = levels;
  const down = new Float64Array(height * width);
  const across = new Float64Array(height * width);
  const whole = Float64Array.from(levels.data);
  for (let x = 0; x < width; x++) smoothLine(whole, down, x, width, height);
  for (let y = 0; y < height; y++) smoothLine(down, across, y * width, 1, width);
  return across;
}

function smoothLine(from: Float64Array, to: Float64Array, start: number, step: number, count: number): void {
  const radius = (GAUSSIAN.length - 1) / 2;
  for (let index = 0; index < count; index++) {
    let sum = 0;
    for (let offset = -radius; offset <= radius; offset++) {
      sum += GAUSSIAN[offset + radius]! * from[start + mirrored(index + offset, count) * step]!;
    }
    to[start + index * step] = sum;
  }
}

/** Returns the index that lies at `index` in a line mirrored at both ends: 2 1 0 | 0 1 2 | 2 1 0. */
function mirrored(index: number, count: number): number {
  const period = 2 * count;
  const inside = ((index % period) + period) % period;
  return inside < count ? inside : period - 1 - inside;
}

/** A binary heap of pixels, the nearest on top, in which a pixel's place is known. */
class Heap {
  private readonly pixels: Int32Array;
  private readonly places: Int32Array;
  private count = 0;

  constructor(private readonly distance: Float64Array) {
    this.pixels = new Int32Array(distance.length);
    this.places = new Int32Array(distance.length).fill(-1);
  }

  /** Adds a pixel, or moves it up after its distance has become smaller. */
  update(pixel: number): void {
    let place = this.places[pixel]!;
    if (place < 0) place = this.count++;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const other = this.pixels[parent]!;
      if (this.distance[other]! <= this.distance[pixel]!) break;
      this.put(other, place);
      place = parent;
    }
    this.put(pixel, place);
  }

  /** Removes and returns the nearest pixel; -1 if the heap is empty. */
  pop(): number {
    if (this.count === 0) return -1;
    const top = this.pixels[0]!;
    const last = this.pixels[--this.count]!;
    this.places[top] = -1;
    if (this.count > 0) this.sink(last);
    return top;
  }

  private sink(pixel: number): void {
    let place = 0;
    for (let child = 1; child < this.count; child = 2 * place + 1) {
      if (child + 1 < this.count && this.distance[this.pixels[child + 1]!]! < this.distance[this.pixels[child]!]!) child++;
      const other = this.pixels[child]!;
      if (this.distance[other]! >= this.distance[pixel]!) break;
      this.put(other, place);
      place = child;
    }
    this.put(pixel, place);
  }

  private put(pixel: number, place: number): void {
    this.pixels[place] = pixel;
    this.places[pixel] = place;
  }
}
