/** Planes of numbers, the rounding that NumPy and Python use, and shapes. */

/** One channel of an image: row after row, `height * width` values. */
export interface Plane {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Returns a plane of zeros. */
export function zeros(height: number, width: number): Plane {
  return { data: new Float32Array(height * width), height, width };
}

/** Returns a value limited to [low, high]. */
export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

/** Rounds to the nearest integer and halves to the even one, as `round` in Python and `rint` in NumPy do. */
export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
