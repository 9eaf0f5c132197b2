/** The worker: loads the network, and colorizes and encodes photos one after the other, so that the page never freezes. */

import { type Options, type Prediction, predictPhoto } from "./core/colorize";
import type { ModelRecord, Network } from "./core/network";
import { type Metadata, readMetadata, uprightExif, withDisclosure, withMetadata } from "./metadata";
import { decode, encode, PhotoError, type Pixels } from "./pixels";
import type { Failure, Reply, Request, Stage } from "./protocol";
import { Rendering } from "./rendering";
import { openNetwork } from "./session";

class ModelError extends Error {}

interface Model {
  readonly network: Network;
  readonly record: ModelRecord;
  readonly version: string;
}

interface OpenPhoto {
  readonly pixels: Pixels;
  readonly prediction: Prediction;
  readonly metadata: Metadata;
  options: Options;
}

type Of<Type extends Request["type"]> = Extract<Request, { type: Type }>;

const rendering = new Rendering();
/** Rejected if the network cannot be loaded. */
let model: Promise<Model> | undefined;
let photo: OpenPhoto | undefined;
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Request>): void => {
  queue = queue.then(() => answer(data)).catch((error: unknown) => fail(data, error));
};

async function answer(request: Request): Promise<void> {
  if (request.type === "load") load(request);
  else if (request.type === "colorize") await colorize(request);
  else if (request.type === "adjust") await adjust(request);
  else await save(request);
}

/** Begins to load the network, while the worker decodes the first photo. */
function load(request: Of<"load">): void {
  model = openModel(request);
  model.then(
    () => send({ type: "loaded", threads: globalThis.crossOriginIsolated }),
    (error: unknown) => fail(request, error),
  );
}

async function openModel({ modelUrl, record, version, files }: Of<"load">): Promise<Model> {
  const response = await fetch(modelUrl);
  if (!response.ok) throw new Error(`${modelUrl}: HTTP status ${response.status}`);
  return { network: await openNetwork(new Uint8Array(await response.arrayBuffer()), files), record, version };
}

async function colorize({ id, file, options }: Of<"colorize">): Promise<void> {
  const started = performance.now();
  photo = undefined; // its memory is free before the next photo needs some
  report(id, "decoding", 0);
  const metadata = readMetadata(new Uint8Array(await file.arrayBuffer()));
  const pixels = await decode(file);
  report(id, "predicting", 0);
  const { network, record } = await loaded();
  const prediction = await predictPhoto(network, record, pixels);
  photo = { pixels, prediction, metadata, options };
  await render(id, started);
}

async function adjust({ id, options }: Of<"adjust">): Promise<void> {
  opened().options = options;
  await render(id, performance.now());
}

async function render(id: number, started: number): Promise<void> {
  const { pixels, prediction, options } = opened();
  const { rgba, height, width, notes } = pixels;
  const stats = await rendering.render(prediction, options, rgba, (share) => report(id, "rendering", share));
  const bitmap = await createImageBitmap(new ImageData(rgba, width, height));
  send({ type: "image", id, bitmap, stats, notes, seconds: (performance.now() - started) / 1000 }, [bitmap]);
}

async function save({ id, format, statement }: Of<"encode">): Promise<void> {
  const { pixels, metadata, options } = opened();
  const plain = new Uint8Array(await (await encode(pixels, format)).arrayBuffer());
  const written = withMetadata(plain, { ...carriedOver(metadata), xmp: await notice(metadata.xmp, options, statement) });
  send({ type: "file", id, file: new Blob([written], { type: format }) });
}

function carriedOver({ exif }: Metadata): Metadata {
  const upright = exif === undefined ? undefined : uprightExif(exif);
  return upright === undefined ? {} : { exif: upright };
}

async function notice(xmp: string | undefined, { saturation, warmth, hints }: Options, statement: string): Promise<string> {
  const { record, version } = await loaded();
  const parameters = {
    ...(saturation !== 1 && { saturation }),
    ...(warmth !== 0 && { warmth }),
    ...(hints.length > 0 && { hints }),
  };
  return withDisclosure(xmp, { statement, model: record.name, modelSha256: record.sha256, version, parameters });
}

async function loaded(): Promise<Model> {
  if (model === undefined) throw new Error("the network is not loaded");
  try {
    return await model;
  } catch (error) {
    throw new ModelError(String(error));
  }
}

function opened(): OpenPhoto {
  if (photo === undefined) throw new Error("no photo is open");
  return photo;
}

function report(id: number, stage: Stage, share: number): void {
  send({ type: "progress", id, stage, share });
}

function fail(request: Request, error: unknown): void {
  const id = request.type === "load" ? undefined : request.id;
  send({ type: "failed", id, failure: failureOf(request, error), detail: String(error) });
}

function failureOf(request: Request, error: unknown): Failure {
  if (request.type === "load" || error instanceof ModelError) return "model";
  if (error instanceof PhotoError) return error.failure;
  return error instanceof RangeError ? "memory" : "unexpected"; // typed arrays that are too large throw range errors
}

function send(reply: Reply, transfer: Transferable[] = []): void {
  self.postMessage(reply, { transfer });
}
