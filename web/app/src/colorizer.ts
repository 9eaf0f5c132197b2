/** The page's side of the worker: requests with numbers, and their replies. */

import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { modelUrl, record, version } from "virtual:model";
import type { Options } from "./core/colorize";
import type { Format, Reply, Request } from "./protocol";

/** A request without its number. */
type Job = { type: "colorize"; file: Blob; options: Options } | { type: "adjust"; options: Options } | { type: "encode"; format: Format; statement: string };

export class Colorizer {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private last = 0;

  /** Starts the worker, which calls `reply` with every message. */
  constructor(reply: (reply: Reply) => void) {
    this.worker.onmessage = ({ data }: MessageEvent<Reply>): void => reply(data);
    this.worker.onerror = ({ message }): void => reply({ type: "failed", id: undefined, failure: "model", detail: message });
    const files = { mjs: absolute(mjs), wasm: absolute(wasm) };
    this.post({ type: "load", modelUrl: absolute(modelUrl), record, version, files });
  }

  /** Sends a job to the worker and returns its number, which all its replies have. */
  send(job: Job): number {
    const id = ++this.last;
    this.post({ ...job, id });
    return id;
  }

  private post(request: Request): void {
    this.worker.postMessage(request);
  }
}

function absolute(url: string): string {
  return new URL(url, location.href).href;
}
