/** The page's side of the worker: work with numbers, and its results as promises. */

import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { modelUrl, record, statement, version } from "virtual:model";
import { WorkError } from "@page/failures.js";
import type { Colorizer, Encoded, Preview, Progress, Rendered, RenderSize, Source } from "@page/types";
import type { Format, Reply, Request, Results, Work } from "./protocol";

interface Pending {
  readonly resolve: (result: Results[Work["type"]]) => void;
  readonly reject: (error: WorkError) => void;
  readonly progress: Progress;
}

export class WorkerColorizer implements Colorizer {
  readonly quick = true;
  readonly longestSide = Infinity;
  /** Whether the network can use several threads. */
  readonly loaded: Promise<boolean>;
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly pending = new Map<number, Pending>();
  private last = 0;

  constructor() {
    this.loaded = new Promise((resolve, reject) => {
      this.worker.onerror = ({ message }): void => {
        reject(new WorkError("model", message));
        this.failAll(message);
      };
      this.worker.onmessage = ({ data }: MessageEvent<Reply>): void => {
        if (data.type === "loaded") resolve(data.threads);
        else if (data.type === "failed" && data.id === undefined) reject(new WorkError(data.failure, data.detail));
        else this.answer(data);
      };
    });
    const files = { mjs: absolute(mjs), wasm: absolute(wasm) };
    this.post({ type: "load", modelUrl: absolute(modelUrl), record, version, statement, files });
  }

  /**
   * Does work in the worker, after all work that it was given before.
   *
   * @throws WorkError if the work fails.
   */
  private run<Type extends Work["type"]>(work: Extract<Work, { type: Type }>, progress: Progress): Promise<Results[Type]> {
    const id = ++this.last;
    const result = new Promise<Results[Work["type"]]>((resolve, reject) => this.pending.set(id, { resolve, reject, progress }));
    this.post({ ...(work as Work), id });
    return result as Promise<Results[Type]>;
  }

  preview(source: Source, progress: Progress): Promise<Preview> {
    return this.run<"preview">({ type: "preview", ...source }, progress);
  }

  render(source: Source, size: RenderSize, progress: Progress): Promise<Rendered> {
    return this.run<"render">({ type: "render", size, ...source }, progress);
  }

  encode(source: Source, format: string, progress: Progress): Promise<Encoded> {
    return this.run<"encode">({ type: "encode", format: format as Format, ...source }, progress);
  }

  stop(): void {}

  /** Gives the memory of the open photo back. */
  close(): void {
    this.post({ type: "close" });
  }

  private answer(reply: Exclude<Reply, { type: "loaded" }>): void {
    const pending = this.pending.get(reply.id ?? 0);
    if (pending === undefined) return;
    if (reply.type === "progress") {
      pending.progress(reply.stage, reply.share);
      return;
    }
    this.pending.delete(reply.id ?? 0);
    if (reply.type === "done") pending.resolve(reply.result);
    else pending.reject(new WorkError(reply.failure, reply.detail));
  }

  private failAll(detail: string): void {
    for (const { reject } of this.pending.values()) reject(new WorkError("unexpected", detail));
    this.pending.clear();
  }

  private post(request: Request): void {
    this.worker.postMessage(request);
  }
}

function absolute(url: string): string {
  return new URL(url, location.href).href;
}
