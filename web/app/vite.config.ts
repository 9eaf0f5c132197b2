import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { parse } from "yaml";
import { withoutEval } from "./without_eval";

const PACKAGE = fileURLToPath(new URL("../../src/chromalab/", import.meta.url));

/** Provides `virtual:model`: the default model of the Python package, its record, and the package's version. */
function defaultModel(): Plugin {
  return {
    name: "chromalab-model",
    resolveId: (id) => (id === "virtual:model" ? "\0virtual:model" : undefined),
    load(id) {
      if (id !== "\0virtual:model") return undefined;
      const name = constant("weights/colorizers.py", "DEFAULT_MODEL");
      const path = `${PACKAGE}weights/models/${name}`;
      this.addWatchFile(`${path}.yaml`);
      const record = parse(readFileSync(`${path}.yaml`, "utf8")) as Record<string, unknown>;
      return [
        `export { default as modelUrl } from ${JSON.stringify(`${path}.onnx?url`)};`,
        `export const record = ${JSON.stringify(record)};`,
        `export const version = ${JSON.stringify(constant("version.py", "__version__"))};`,
      ].join("\n");
    },
  };
}

/** Returns a string constant of a Python file. */
function constant(file: string, name: string): string {
  const value = new RegExp(`^${name} = "([^"]+)"$`, "m").exec(readFileSync(PACKAGE + file, "utf8"))?.[1];
  if (value === undefined) throw new Error(`${PACKAGE}${file} has no string constant ${name}`);
  return value;
}

/** Adds the licenses of the libraries in wasm-vips, which Vite does not find. */
function vipsLicenses(): Plugin {
  return {
    name: "chromalab-vips-licenses",
    apply: "build",
    generateBundle() {
      const source = readFileSync(new URL("node_modules/wasm-vips/THIRD-PARTY-NOTICES.md", import.meta.url), "utf8");
      this.emitFile({ type: "asset", fileName: "licenses-vips.md", source });
    },
  };
}

// The page is isolated, so that the network may use several threads.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  base: "./",
  plugins: [defaultModel(), vipsLicenses()],
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  worker: { format: "es", plugins: () => [withoutEval()] },
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: false, license: { fileName: "licenses.md" } },
  server: { headers, fs: { allow: ["../.."] } },
  preview: { headers },
});
