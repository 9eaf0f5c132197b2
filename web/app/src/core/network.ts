/** What a network takes and gives, from the record beside its ONNX file: the port of `chromalab.colorization.engine`. */

import { decodeSrgb, lightnessOf, rgbToLab } from "./lab";
import { clamp, type Plane, roundHalfEven, zeros } from "./plane";
import { resizePlane } from "./resize";

/** One number for all channels, or one per channel. */
export type Numbers = number | readonly number[];

/** The part of a model's record that describes its input and output; docs/models.md explains every field. */
export interface ModelRecord {
  readonly name: string;
  readonly title?: string;
  readonly sha256: string;
  readonly license?: string;
  readonly notice?: string;
  readonly failures?: string;
  readonly input?: {
    readonly name?: string;
    readonly content?: "lightness" | "grey" | "luma";
    readonly channels?: number;
    readonly scale?: Numbers;
    readonly offset?: Numbers;
    readonly zeros?: Readonly<Record<string, number>>;
  };
  readonly size?: { readonly rule?: "shorter" | "square"; readonly px?: number; readonly multiple_of?: number; readonly limit?: number };
  readonly output?: {
    readonly name?: string;
    readonly content?: "ab" | "rgb";
    readonly scale?: Numbers;
    readonly offset?: Numbers;
    readonly bins?: string;
  };
  readonly chroma_by_lightness?: readonly (readonly [number, number])[];
}

/** A tensor in single precision, (1, channels, height, width). */
export interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** A loaded network: its names, and a function that runs it. */
export interface Network {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, Tensor>>, output: string): Promise<Tensor>;
}

/** a* and b* in CIELAB units. */
export interface Chroma {
  readonly a: Plane;
  readonly b: Plane;
}

/** Returns the length in pixels that the record gives for the side of the input. */
export function inputPx(record: ModelRecord): number {
  return record.size?.px ?? 256;
}

/** Returns [height, width] of the network's input for an image of this size. */
export function inputSize(record: ModelRecord, height: number, width: number): [number, number] {
  const px = inputPx(record);
  const multiple = record.size?.multiple_of ?? 32;
  const rounded = (side: number): number => Math.max(1, roundHalfEven(side / multiple)) * multiple;
  if (record.size?.rule === "square") return [rounded(px), rounded(px)];
  const shortest = Math.min(height, width);
  const limit = record.size?.limit ?? 3;
  return [rounded(Math.min(height / shortest, limit) * px), rounded(Math.min(width / shortest, limit) * px)];
}

/**
 * Predicts the chroma of a small copy, at the network's output size.
 *
 * @param levels gray levels, 0 to 255, upright.
 */
export async function predict(network: Network, record: ModelRecord, levels: Plane): Promise<Chroma> {
  const [height, width] = inputSize(record, levels.height, levels.width);
  const resized = resizePlane(levels, height, width);
  const small = { ...resized, data: resized.data.map((value) => clamp(value, 0, 255)) };
  const extra = record.input?.zeros ?? {};
  const input = record.input?.name ?? network.inputNames.find((name) => !(name in extra));
  const output = record.output?.name ?? network.outputNames.find((name) => name !== record.output?.bins);
  if (input === undefined || output === undefined) throw new Error(`the model ${record.name} does not match its record`);
  const feeds: Record<string, Tensor> = { [input]: inputTensor(record, small) };
  for (const [name, channels] of Object.entries(extra)) {
    feeds[name] = { data: new Float32Array(channels * height * width), dims: [1, channels, height, width] };
  }
  const chroma = outputChroma(record, await network.run(feeds, output));
  return weighted(record, chroma, small);
}

/** Returns the network's input; the luma of a gray image is its gray value. */
export function inputTensor(record: ModelRecord, levels: Plane): Tensor {
  const channels = record.input?.channels ?? 1;
  const size = levels.data.length;
  const data = new Float32Array(channels * size);
  const content = record.input?.content ?? "lightness";
  for (let channel = 0; channel < channels; channel++) {
    const scale = numberOf(record.input?.scale ?? 1, channel);
    const offset = numberOf(record.input?.offset ?? 0, channel);
    for (let index = 0; index < size; index++) {
      const value = levels.data[index]! / 255;
      data[channel * size + index] = (content === "lightness" ? lightnessOf(decodeSrgb(value)) : value) * scale + offset;
    }
  }
  return { data, dims: [1, channels, levels.height, levels.width] };
}

/**
 * Returns the chroma of a network's output.
 *
 * @throws Error if the output has another shape than the record states, or values that are not finite.
 */
export function outputChroma(record: ModelRecord, { data, dims }: Tensor): Chroma {
  const content = record.output?.content ?? "ab";
  const [, channels, height, width] = dims;
  if (dims.length !== 4 || channels !== (content === "ab" ? 2 : 3) || height === undefined || width === undefined) {
    throw new Error(`the model ${record.name} has an output of shape ${dims.join(" x ")}, which its record does not state`);
  }
  const a = zeros(height, width);
  const b = zeros(height, width);
  const size = height * width;
  const value = (channel: number, index: number): number =>
    data[channel * size + index]! * numberOf(record.output?.scale ?? 1, channel) + numberOf(record.output?.offset ?? 0, channel);
  const lab = new Float32Array(3);
  for (let index = 0; index < size; index++) {
    if (content === "rgb") {
      rgbToLab(clamp(value(0, index), 0, 1), clamp(value(1, index), 0, 1), clamp(value(2, index), 0, 1), lab);
    }
    a.data[index] = content === "rgb" ? lab[1]! : value(0, index);
    b.data[index] = content === "rgb" ? lab[2]! : value(1, index);
  }
  if (!a.data.every(Number.isFinite) || !b.data.every(Number.isFinite)) {
    throw new Error(`the model ${record.name} predicted values that are not finite`);
  }
  return { a, b };
}

/** Multiplies chroma by the record's factor for its lightness. */
function weighted(record: ModelRecord, { a, b }: Chroma, levels: Plane): Chroma {
  const factors = record.chroma_by_lightness ?? [];
  if (factors.length === 0) return { a, b };
  const small = resizePlane(levels, a.height, a.width);
  const factor = small.data.map((level) => interpolated(factors, lightnessOf(decodeSrgb(level / 255))));
  const scaled = (plane: Plane): Plane => ({ ...plane, data: plane.data.map((value, index) => value * factor[index]!) });
  return { a: scaled(a), b: scaled(b) };
}

/** Interpolates linearly between pairs (place, value) with rising places; the end values continue outside. */
export function interpolated(pairs: readonly (readonly [number, number])[], place: number): number {
  const above = pairs.findIndex(([start]) => start > place);
  if (above === 0) return pairs[0]![1];
  if (above === -1) return pairs[pairs.length - 1]![1];
  const [start, low] = pairs[above - 1]!;
  const [stop, high] = pairs[above]!;
  return low + ((high - low) * (place - start)) / (stop - start);
}

function numberOf(numbers: Numbers, channel: number): number {
  return typeof numbers === "number" ? numbers : numbers[channel]!;
}
