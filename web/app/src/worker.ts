/** The worker: loads the network, and colorizes and encodes photos one after the other, so that the page never freezes. */

import { type Prediction, predictPhoto, renderPhoto } from "./core/colorize";
import type { ModelRecord, Network } from "./core/network";
import { fitsJpeg, type Metadata, readMetadata, uprightExif, withDisclosure, withMetadata } from "./metadata";
import { decode, encode, PhotoError, type Pixels } from "./pixels";
import { thumbnail, tilesOf } from "@page/bitmaps.js";
import type { Failure, Hint, Options, Source, Stage, Tile } from "@page/types";
import type { Format, Load, Note, Reply, Request, Results, Work } from "./protocol";
import { Rendering } from "./rendering";
import { openNetwork } from "./session";

class ModelError extends Error {}

interface Model {
  readonly network: Network;
  readonly record: ModelRecord;
  readonly version: string;
  readonly statement: string;
}

interface Photo {
  readonly number: number;
  readonly pixels: Pixels;
  readonly prediction: Prediction;
  readonly metadata: Metadata;
  /** The settings that `pixels` show, as JSON; undefined before the first rendering. */
  rendered: string | undefined;
}

type Of<Type extends Request["type"]> = Extract<Request, { type: Type }>;

/** Larger photos do not stay open while another one needs memory. */
const LARGE_PIXELS = 30_000_000;
/** Longest side of the result that the page shows until the reader zooms in. */
const SCREEN_PX = 2560;

const rendering = new Rendering();
/** Rejected if the network cannot be loaded. */
let model: Promise<Model> | undefined;
let open: Photo | undefined;
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Request>): void => {
  queue = queue.then(() => answer(data)).catch((error: unknown) => fail(data, error));
};

async function answer(request: Request): Promise<void> {
  if (request.type === "load") load(request);
  else if (request.type === "preview") await preview(request);
  else if (request.type === "render") await render(request);
  else if (request.type === "encode") await write(request);
  else open = undefined;
}

/** Begins to load the network, while the worker decodes the first photo. */
function load(request: Load): void {
  model = openModel(request);
  model.then(
    () => send({ type: "loaded", threads: globalThis.crossOriginIsolated }),
    (error: unknown) => fail(request, error),
  );
}

async function openModel({ modelUrl, files, ...rest }: Load): Promise<Model> {
  const response = await fetch(modelUrl);
  if (!response.ok) throw new Error(`${modelUrl}: HTTP status ${response.status}`);
  return { network: await openNetwork(new Uint8Array(await response.arrayBuffer()), files), ...rest };
}

async function preview(request: Of<"preview">): Promise<void> {
  const photo = await apart(request);
  const picture = await thumbnail(await renderedSmall(photo.prediction, request.options));
  finish<"preview">(request.id, { thumbnail: picture, notes: photo.pixels.notes });
}

async function render(request: Of<"render">): Promise<void> {
  const started = performance.now();
  if (open?.number !== request.photo) {
    open = undefined; // its memory is free before the next photo needs some
    open = await read(request);
  }
  const { width, height, notes } = open.pixels;
  const tiles = await rendered(open, request);
  // All pixels follow a rendering that gave the thumbnail.
  const picture = request.size === "full" ? undefined : await thumbnail(tiles[0]!.bitmap);
  const seconds = (performance.now() - started) / 1000;
  finish<"render">(
    request.id,
    { width, height, tiles, notes, thumbnail: picture, seconds },
    tiles.map(({ bitmap }) => bitmap),
  );
}

async function rendered(photo: Photo, request: Of<"render">): Promise<readonly Tile[]> {
  const { width, height } = photo.pixels;
  if (request.size === "small") return [{ x: 0, y: 0, width, height, bitmap: await renderedSmall(photo.prediction, request.options) }];
  await renderFull(photo, request);
  return request.size === "full" ? tilesOf(new ImageData(photo.pixels.rgba, width, height)) : [await screenTile(photo.pixels)];
}

async function write(request: Of<"encode">): Promise<void> {
  const photo = await apart(request);
  await renderFull(photo, request);
  report(request.id, "encoding", 0);
  finish<"encode">(request.id, await fileOf(photo, request.options, request.format));
}

/** Reads a photo without keeping it, or returns the open one. */
async function apart(request: Source & { readonly id: number }): Promise<Photo> {
  if (open?.number === request.photo) return open;
  if (open !== undefined && open.prediction.levels.length > LARGE_PIXELS) open = undefined;
  return read(request);
}

async function read({ id, photo, file }: Source & { readonly id: number }): Promise<Photo> {
  report(id, "decoding", 0);
  const metadata = readMetadata(new Uint8Array(await file.arrayBuffer()));
  const pixels = await decode(file);
  report(id, "predicting", 0);
  const { network, record } = await loaded();
  await rendering.ready;
  const prediction = await predictPhoto(network, record, pixels);
  return { number: photo, pixels, prediction, metadata, rendered: undefined };
}

async function renderFull(photo: Photo, { id, options }: { readonly id: number; readonly options: Options }): Promise<void> {
  const settings = JSON.stringify(options);
  if (photo.rendered === settings) return;
  photo.rendered = undefined;
  await rendering.render(photo.prediction, options, photo.pixels.rgba, (share) => report(id, "rendering", share));
  photo.rendered = settings;
}

/** Renders the small copy, on which the guided filter works. */
function renderedSmall(prediction: Prediction, options: Options): Promise<ImageBitmap> {
  const { width, height, data } = prediction.small;
  const levels = new Uint8Array(Uint8ClampedArray.from(data).buffer);
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  renderPhoto({ ...prediction, levels, height, width }, options, rgba);
  return createImageBitmap(new ImageData(rgba, width, height));
}

/** Returns the whole photo in one bitmap, reduced to a size that screens need. */
async function screenTile({ rgba, width, height }: Pixels): Promise<Tile> {
  const scale = Math.min(1, SCREEN_PX / Math.max(width, height));
  const [resizeWidth, resizeHeight] = [Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height))];
  const image = new ImageData(rgba, width, height);
  const bitmap = await createImageBitmap(image, scale < 1 ? { resizeWidth, resizeHeight, resizeQuality: "high" } : {});
  return { x: 0, y: 0, width, height, bitmap };
}

async function fileOf({ pixels, metadata }: Photo, options: Options, format: Format): Promise<{ file: Blob; notes: readonly Note[] }> {
  const plain = new Uint8Array(await (await encode(pixels, format)).arrayBuffer());
  const { exif } = carriedOver(metadata);
  const xmp = await notice(metadata.xmp, options);
  const fits = (part: Uint8Array | string | undefined): boolean => part === undefined || format !== "image/jpeg" || fitsJpeg(part);
  // The notice of inferred colors is never left out.
  const written = withMetadata(plain, { ...(exif && { exif }), xmp: fits(xmp) ? xmp : await notice(undefined, options) });
  return { file: new Blob([written], { type: format }), notes: fits(exif) && fits(xmp) ? [] : ["longMetadata"] };
}

function carriedOver({ exif }: Metadata): Metadata {
  const upright = exif === undefined ? undefined : uprightExif(exif);
  return upright === undefined ? {} : { exif: upright };
}

async function notice(xmp: string | undefined, { saturation, warmth, hints }: Options): Promise<string> {
  const { record, version, statement } = await loaded();
  const parameters = {
    ...(saturation !== 1 && { saturation }),
    ...(warmth !== 0 && { warmth }),
    ...(hints.length > 0 && { hints: hints.map(described) }),
  };
  return withDisclosure(xmp, { statement, model: record.name, modelSha256: record.sha256, version, parameters });
}

/** Returns a hint as the Python tool records it. */
function described({ x, y, color, width = 0, height = 0 }: Hint): Record<string, unknown> {
  return { color, height: 100 * height, unit: "percent", width: 100 * width, x: 100 * x, y: 100 * y };
}

async function loaded(): Promise<Model> {
  if (model === undefined) throw new Error("the network is not loaded");
  try {
    return await model;
  } catch (error) {
    throw new ModelError(String(error));
  }
}

function report(id: number, stage: Stage, share: number): void {
  send({ type: "progress", id, stage, share });
}

function finish<Type extends Work["type"]>(id: number, result: Results[Type], transfer: Transferable[] = []): void {
  send({ type: "done", id, result }, transfer);
}

function fail(request: Request, error: unknown): void {
  const id = "id" in request ? request.id : undefined;
  send({ type: "failed", id, failure: failureOf(request, error), detail: String(error) });
}

function failureOf(request: Request, error: unknown): Failure {
  if (request.type === "load" || error instanceof ModelError) return "model";
  if (error instanceof PhotoError) return error.failure;
  if (error instanceof DOMException && ["NotReadableError", "NotFoundError"].includes(error.name)) return "moved";
  return error instanceof RangeError ? "memory" : "unexpected"; // typed arrays that are too large throw range errors
}

function send(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}
