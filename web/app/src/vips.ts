/**
 * libvips, which decodes the files that browsers change: the port of `chromalab.photo.scan` and `chromalab.photo.luminance`.
 *
 * It is the same library as in the Python tool, so inks, profiles, 16 bits and transparency give the same gray levels.
 * It needs shared memory, which browsers allow on isolated pages only, and is loaded with the first file that needs it.
 */

import type Vips from "wasm-vips";
import { kindOf, pngGamma } from "./containers";
import { decodeSrgb, encodeSrgb, lightnessOf, LUMINANCE, luminanceOf } from "./core/lab";
import { clamp, roundHalfEven } from "./core/plane";
import { PhotoError } from "./failures";
import { firstPage, type TiffPage } from "./tiff";

type Library = typeof Vips;
type Image = Vips.Image;

/** Gray levels and transparency of a photo, upright. */
export interface Scan {
  readonly height: number;
  readonly width: number;
  readonly levels: Uint8Array;
  /** The same levels before they were rounded, of a file with 16 bits per value. */
  readonly exact: Float32Array | undefined;
  /** Undefined if the photo has no transparency. */
  readonly alpha: Uint8Array | undefined;
  /** Number of pages or frames of the file, of which this is the first. */
  readonly pages: number;
  /** Whether channels that are neither colors nor the transparency are left out. */
  readonly leftOut: boolean;
}

const FINE = 65535;
/** Largest difference in L* between the sum of the ramps and the color engine for a profile to count as additive. */
const TOLERANCE = 0.1;
const PROBES = 250;
const IMPORT = { pcs: "lab", intent: "relative", black_point_compensation: true } as const;

let library: Promise<Library> | undefined;

/** Returns whether libvips can run on this page. */
export function isAvailable(): boolean {
  return globalThis.crossOriginIsolated ?? false;
}

/** Loads libvips; it needs no request later on. */
export function loadLibrary(): Promise<Library> {
  library ??= import("wasm-vips").then(async ({ default: start }) => {
    // Its warnings about damaged files would appear as errors of the page; those that matter are thrown.
    const vips = await start({ dynamicLibraries: [], printErr: () => undefined });
    vips.Cache.max(0); // a photo is decoded once
    return vips;
  });
  return library;
}

/**
 * Decodes a photo.
 *
 * @param maxPixels larger declared sizes are refused before decoding.
 * @throws PhotoError if the file is cut off, damaged, of another type, or too large.
 */
export async function scan(file: Uint8Array, maxPixels: number): Promise<Scan> {
  const reader = new Reader(await loadLibrary());
  try {
    return reader.read(file, maxPixels);
  } catch (error) {
    if (error instanceof PhotoError) throw error;
    throw new PhotoError("unreadable", String(error));
  } finally {
    reader.free();
  }
}

/**
 * Encodes pixels as a JPEG or WebP file, where a canvas is too small or would erase the colors of transparent pixels.
 *
 * @param rgba four bytes per pixel.
 * @param channels 3 leaves the alpha out.
 */
export async function save(
  rgba: Uint8ClampedArray,
  height: number,
  width: number,
  channels: 3 | 4,
  format: "image/jpeg" | "image/webp",
  quality: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const vips = await loadLibrary();
  const bytes = new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.byteLength);
  const images = [vips.Image.newFromMemory(bytes, width, height, 4, vips.BandFormat.uchar)];
  try {
    images.push(images[0]!.extractBand(0, { n: channels }));
    images.push(images[1]!.copy({ interpretation: "srgb" }));
    const file = images[2]!.writeToBuffer(format === "image/jpeg" ? ".jpg" : ".webp", { Q: quality, keep: "none" });
    return new Uint8Array(file);
  } finally {
    for (const image of images) image.delete();
  }
}

/** Reads one file; the images of all steps are freed at the end. */
class Reader {
  private readonly images: Image[] = [];

  constructor(private readonly vips: Library) {}

  free(): void {
    for (const image of this.images) image.delete();
  }

  read(file: Uint8Array, maxPixels: number): Scan {
    const page = kindOf(file) === "tiff" ? firstPage(file) : undefined;
    const options = { access: "sequential", fail_on: "truncated", ...(page && { page: page.index }) };
    let image = this.hold(this.vips.Image.newFromBuffer(file, "", options));
    const { format, width, height } = image;
    if (width * height > maxPixels) throw new PhotoError("tooLarge", `${width} x ${height} pixels`);
    if (format !== "uchar" && format !== "ushort") throw new PhotoError("unreadable", `pixels of type ${format}`);
    const pages = page?.pages ?? (image.getTypeof("n-pages") === 0 ? 1 : image.getInt("n-pages"));
    if (page !== undefined && page.extra > 0) image = this.withoutExtra(image, page);
    const turned = image.getTypeof("orientation") !== 0 && image.getInt("orientation") !== 1;
    const transparent = image.hasAlpha();
    if (turned || transparent) image = this.hold(this.hold(image.copyMemory()).autorot());
    if (image.interpretation === "multiband" && image.bands <= 2) image = this.hold(image.copy({ interpretation: "b-w" }));
    const opaque = transparent ? this.hold(image.extractBand(0, { n: image.bands - 1 })) : image;
    const gamma = kindOf(file) === "png" ? pngGamma(file) : undefined;
    const level = this.levels(opaque, gamma);
    const exact = format === "ushort" ? floats(level) : undefined;
    const levels = exact === undefined ? this.pixelsOf(level) : Uint8Array.from(exact, roundHalfEven);
    const alpha = transparent ? this.pixelsOf(this.alpha(image)) : undefined;
    const leftOut = page !== undefined && page.extra > (page.alpha === undefined ? 0 : 1);
    return { height: image.height, width: image.width, levels, exact, alpha, pages, leftOut };
  }

  /** Leaves out channels that are neither colors nor the transparency: libvips takes every further channel for transparency. */
  private withoutExtra(image: Image, { extra, alpha }: TiffPage): Image {
    const colors = image.bands - extra;
    const kept = this.hold(image.extractBand(0, { n: colors }));
    const joined = alpha === undefined ? kept : this.hold(kept.bandjoin(this.hold(image.extractBand(colors + alpha))));
    const names = { 1: ["b-w", "grey16"], 3: ["srgb", "rgb16"], 4: ["cmyk", "cmyk"] } as const;
    const interpretation = names[colors as 1 | 3 | 4]?.[image.format === "uchar" ? 0 : 1];
    if (interpretation === undefined) throw new PhotoError("unreadable", `${image.bands} channels`);
    return this.hold(joined.copy({ interpretation }));
  }

  private hold(image: Image): Image {
    this.images.push(image);
    return image;
  }

  private pixelsOf(image: Image): Uint8Array {
    return image.writeToMemory() as Uint8Array;
  }

  private alpha(image: Image): Image {
    const band = this.hold(image.extractBand(image.bands - 1));
    if (band.format === "uchar") return band;
    return this.hold(this.hold(this.hold(band.linear(1 / 257, 0)).rint()).cast("uchar"));
  }

  /** Returns the gray levels of an image without alpha: rounded for 8 bits, in floating point for 16 bits. */
  private levels(image: Image, gamma: number | undefined): Image {
    const profiled = image.getTypeof("icc-profile-data") !== 0;
    const values = image.format === "uchar" ? 256 : 65536;
    if (image.interpretation === "cmyk") return this.throughEngine(image, "cmyk");
    if (image.bands !== 1 && image.bands !== 3) throw new PhotoError("unreadable", `${image.bands} channels`);
    if (image.bands === 1 && !profiled && gamma === undefined) return this.plainGray(image);
    if (!profiled) return this.summed(image, powerRamps(image.bands, values, gamma));
    const ramps = this.profileRamps(image, values);
    return ramps === undefined ? this.throughEngine(image, "srgb") : this.summed(image, ramps);
  }

  private plainGray(image: Image): Image {
    return image.format === "uchar" ? image : this.hold(image.linear(255 / 65535, 0));
  }

  /**
   * Returns the luminance of every value of each channel alone, or undefined if the profile is not additive.
   *
   * A damaged profile, or one for another type of pixels, is ignored, as viewers do.
   */
  private profileRamps(image: Image, values: number): Float64Array[] | undefined {
    const { bands } = image;
    const probe = values === 256 ? new Uint8Array((bands + 1) * values * bands) : new Uint16Array((bands + 1) * values * bands);
    for (let band = 0; band < bands; band++) {
      for (let value = 0; value < values; value++) probe[(band * values + value) * bands + band] = value;
    }
    const mixed = probe.subarray(bands * values * bands, (bands * values + PROBES) * bands);
    let state = 1;
    for (let place = 0; place < mixed.length; place++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      mixed[place] = Math.floor((state / 2 ** 32) * values);
    }
    const luminance = this.probed(probe, image, values);
    if (luminance === undefined) return powerRamps(bands, values, undefined);
    const black = luminance[0]!;
    const ramps = Array.from({ length: bands }, (_, band) =>
      Float64Array.from({ length: values }, (_, value) => luminance[band * values + value]! - black + black / bands),
    );
    for (let place = 0; place < PROBES; place++) {
      const sum = ramps.reduce((total, ramp, band) => total + ramp[mixed[place * bands + band]!]!, 0);
      const difference = lightnessOf(clamp(sum, 0, 1)) - lightnessOf(clamp(luminance[bands * values + place]!, 0, 1));
      if (Math.abs(difference) > TOLERANCE) return undefined;
    }
    return ramps;
  }

  /** Returns the luminance of pixels under the profile of an image, or undefined if the profile does not fit. */
  private probed(probe: Uint8Array | Uint16Array, image: Image, values: number): Float64Array | undefined {
    const { bands, interpretation } = image;
    const plain = this.fromMemory(probe, values, bands + 1, bands);
    const labeled = this.hold(plain.copy({ interpretation }));
    labeled.setBlob("icc-profile-data", image.getBlob("icc-profile-data"));
    try {
      const lab = this.hold(this.hold(labeled.iccImport({ ...IMPORT, embedded: true })).extractBand(0));
      return Float64Array.from(floats(lab), luminanceOf);
    } catch {
      return undefined;
    }
  }

  /** Looks up every channel and adds the luminances. */
  private summed(image: Image, ramps: readonly Float64Array[]): Image {
    const bands = ramps.length;
    const values = ramps[0]!.length;
    if (bands === 1) return this.mapped(image, levelTable(image, values, (value) => ramps[0]![value]!), 1);
    if (image.format === "ushort") return this.exactSum(image, ramps);
    // As in Python, the sum is a mean that libvips rounds to integers.
    const largest = ramps.reduce((most, ramp) => ramp.reduce((one, other) => Math.max(one, other), most), 0);
    const fine = Uint16Array.from({ length: values * bands }, (_, place) =>
      roundHalfEven(clamp(ramps[place % bands]![Math.floor(place / bands)]! / largest, 0, 1) * FINE),
    );
    const mean = this.hold(this.mapped(image, fine, bands).bandmean());
    return this.mapped(mean, levelTable(image, FINE + 1, (value) => (value / FINE) * bands * largest), 1);
  }

  /** Returns gray levels of 16-bit colors in floating point: `encodeSrgb` in operations of libvips. */
  private exactSum(image: Image, ramps: readonly Float64Array[]): Image {
    const table = Float32Array.from({ length: ramps[0]!.length * 3 }, (_, place) => ramps[place % 3]![Math.floor(place / 3)]!);
    const light = this.mapped(image, table, 3);
    const [red, green, blue] = [0, 1, 2].map((band) => this.hold(light.extractBand(band))) as [Image, Image, Image];
    const sum = this.hold(this.hold(red.add(green)).add(blue));
    const above = this.hold(this.hold(sum.less(0)).ifthenelse(0, sum));
    const inside = this.hold(this.hold(above.more(1)).ifthenelse(1, above));
    const curved = this.hold(this.hold(inside.pow(1 / 2.4)).linear(1.055 * 255, -0.055 * 255));
    const level = this.hold(this.hold(inside.lessEq(0.0031308)).ifthenelse(this.hold(inside.linear(12.92 * 255, 0)), curved));
    return this.hold(level.cast("float"));
  }

  private mapped(image: Image, table: Uint8Array | Uint16Array | Float32Array, bands: number): Image {
    return this.hold(image.maplut(this.fromMemory(table, table.length / bands, 1, bands)));
  }

  private fromMemory(values: Uint8Array | Uint16Array | Float32Array, width: number, height: number, bands: number): Image {
    const { uchar, ushort, float } = this.vips.BandFormat;
    const format = values instanceof Uint8Array ? uchar : values instanceof Uint16Array ? ushort : float;
    return this.hold(this.vips.Image.newFromMemory(values, width, height, bands, format));
  }

  /** Computes L* with the color engine; CMYK without a profile uses libvips' built-in ink profile. */
  private throughEngine(image: Image, profile: "cmyk" | "srgb"): Image {
    let lab: Image;
    try {
      lab = this.hold(image.iccImport({ ...IMPORT, embedded: true, input_profile: profile }));
    } catch {
      const plain = this.hold(image.copy());
      plain.remove("icc-profile-data");
      lab = this.hold(plain.iccImport({ pcs: "lab", intent: "relative", input_profile: profile }));
    }
    const scaled = this.hold(this.hold(lab.extractBand(0)).linear(FINE / 100, 0));
    const index = this.hold(this.hold(scaled.rint()).cast("ushort"));
    return this.mapped(index, levelTable(image, FINE + 1, (value) => luminanceOf((value / FINE) * 100)), 1);
  }
}

/** Returns ramps of an encoding with a power, or of sRGB. */
function powerRamps(bands: number, values: number, gamma: number | undefined): Float64Array[] {
  const total = LUMINANCE[0] + LUMINANCE[1] + LUMINANCE[2];
  const weights = bands === 1 ? [1] : LUMINANCE.map((weight) => weight / total);
  const linear = (value: number): number => (gamma === undefined ? decodeSrgb(value) : value ** (1 / gamma));
  return weights.map((weight) => Float64Array.from({ length: values }, (_, value) => weight * linear(value / (values - 1))));
}

/** Returns the gray level of each of `count` luminances: rounded for images of 8 bits. */
function levelTable(image: Image, count: number, luminance: (value: number) => number): Uint8Array | Float32Array {
  const exact = Float32Array.from({ length: count }, (_, value) => encodeSrgb(clamp(luminance(value), 0, 1)) * 255);
  return image.format === "ushort" ? exact : Uint8Array.from(exact, roundHalfEven);
}

function floats(image: Image): Float32Array {
  const { buffer, byteOffset, byteLength } = image.writeToMemory();
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}
