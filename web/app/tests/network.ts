/** The default model in onnxruntime-web under Node. */

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { ModelRecord, Network } from "../src/core/network";
import { openNetwork } from "../src/session";

const MODELS = new URL("../../../src/chromalab/weights/models/", import.meta.url);

export async function defaultNetwork(): Promise<[Network, ModelRecord]> {
  const source = readFileSync(new URL("../colorizers.py", MODELS), "utf8");
  const name = /^DEFAULT_MODEL = "(\w+)"$/m.exec(source)![1]!;
  const record = parse(readFileSync(new URL(`${name}.yaml`, MODELS), "utf8")) as ModelRecord;
  return [await openNetwork(readFileSync(new URL(`${name}.onnx`, MODELS))), record];
}
