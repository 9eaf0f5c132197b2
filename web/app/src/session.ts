/** A network in ONNX Runtime Web. */

import * as ort from "onnxruntime-web/wasm";
import type { Network } from "./core/network";

/** Addresses of the files of ONNX Runtime. */
export interface RuntimeFiles {
  readonly mjs: string;
  readonly wasm: string;
}

/**
 * Loads an ONNX model.
 *
 * @param model the bytes of the ONNX file.
 * @param files addresses of the runtime's files; undefined where it finds them itself.
 */
export async function openNetwork(model: Uint8Array, files?: RuntimeFiles): Promise<Network> {
  if (files !== undefined) ort.env.wasm.wasmPaths = { mjs: files.mjs, wasm: files.wasm };
  ort.env.wasm.numThreads = threads();
  ort.env.logLevel = "error";
  // Further optimizations take longer than they save on the few photos of a visit.
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "basic" });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds, output) {
      const tensors = Object.entries(feeds).map(([name, { data, dims }]) => [name, new ort.Tensor("float32", data, dims)] as const);
      const result = (await session.run(Object.fromEntries(tensors), [output]))[output];
      if (result === undefined) throw new Error(`the model has no output named ${output}`);
      return { data: Float32Array.from(result.data as Float32Array), dims: result.dims };
    },
  };
}

/** Returns the number of threads: several only where the page is isolated, which shared memory requires. */
function threads(): number {
  return globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
}
