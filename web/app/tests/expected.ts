/** Reads what `make_expected.py` wrote, and compares arrays. */

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Plane } from "../src/core/plane";

interface Saved {
  readonly type: "float32" | "uint8" | "int32" | "uint32";
  readonly shape: readonly number[];
  readonly data: string;
}

export type Values = Float32Array | Uint8Array | Int32Array | Uint32Array;

export class Expected {
  private readonly content: Record<string, Saved>;

  constructor(name: string) {
    this.content = JSON.parse(readFileSync(new URL(`expected/${name}.json`, import.meta.url), "utf8")) as Record<string, Saved>;
  }

  /** Returns a value that is no array. */
  plain(name: string): unknown {
    return this.content[name];
  }

  shape(name: string): readonly number[] {
    return this.content[name]!.shape;
  }

  values(name: string): Values {
    const { type, data } = this.content[name]!;
    const bytes = Uint8Array.from(Buffer.from(data, "base64")).buffer;
    const types = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array, uint32: Uint32Array };
    return new types[type](bytes);
  }

  /** Returns one plane of an array of shape (h, w) or (planes, h, w). */
  plane(name: string, number = 0): Plane {
    const shape = this.shape(name);
    const [height, width] = shape.slice(-2) as [number, number];
    const size = height * width;
    return { data: Float32Array.from(this.values(name).subarray(number * size, (number + 1) * size)), height, width };
  }
}

/** Returns the largest absolute difference of two arrays of the same length. */
export function largestDifference(one: ArrayLike<number>, other: ArrayLike<number>): number {
  expect(one.length).toBe(other.length);
  let largest = 0;
  for (let index = 0; index < one.length; index++) {
    const difference = Math.abs(one[index]! - other[index]!);
    if (!(difference <= largest)) largest = difference; // also if it is not a number
  }
  return largest;
}
