import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { parse } from "yaml";
import { withoutEval } from "./without_eval";

const ROOT = fileURLToPath(new URL(".", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../src/chromalab/", import.meta.url));
const PAGE = `${PACKAGE}colorization/web/static`;

/** Provides `virtual:model`: the default model of the Python package, its record, its notice, and the package's version. */
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
        `export const statement = ${JSON.stringify(constant("colorization/disclosure.py", "STATEMENT"))};`,
        `export const version = ${JSON.stringify(constant("version.py", "__version__"))};`,
      ].join("\n");
    },
  };
}

/** Writes the page of `chromalab serve` into the app's: its body, and the addresses of its files. */
function pageOfServer(): Plugin {
  return {
    name: "chromalab-page",
    transformIndexHtml: {
      order: "pre",
      handler(html, { server }) {
        const body = /<body.*<\/body>/s.exec(readFileSync(`${PAGE}/index.html`, "utf8"))?.[0];
        if (body === undefined) throw new Error(`${PAGE}/index.html has no body`);
        return html.replace("<body></body>", body).replaceAll("%page%", server === undefined ? relative(ROOT, PAGE) : `/@fs${PAGE}`);
      },
    },
  };
}

const SERVICE_WORKER = "service_worker.js";

/** Writes the list of all built files, their hash and the page's policy into the service worker. */
function storedFiles(): Plugin {
  return {
    name: "chromalab-stored-files",
    apply: "build",
    closeBundle() {
      const folder = fileURLToPath(new URL("dist/", import.meta.url));
      const all = (readdirSync(folder, { recursive: true }) as string[]).map((path) => path.replaceAll("\\", "/")).sort();
      const files = all.filter((path) => path !== SERVICE_WORKER && statSync(folder + path).isFile());
      const worker = readFileSync(folder + SERVICE_WORKER, "utf8");
      const hash = createHash("sha256").update(worker);
      for (const path of files) hash.update(path).update(readFileSync(folder + path));
      const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(readFileSync(`${folder}index.html`, "utf8"))?.[1];
      if (policy === undefined) throw new Error("index.html has no Content-Security-Policy");
      const build = { version: hash.digest("hex").slice(0, 16), files, policy };
      writeFileSync(folder + SERVICE_WORKER, `const BUILD = ${JSON.stringify(build)};\n${worker}`);
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
  plugins: [defaultModel(), pageOfServer(), vipsLicenses(), storedFiles()],
  resolve: { alias: { "@page": PAGE }, conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"] },
  worker: { format: "es", plugins: () => [withoutEval()] },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    license: { fileName: "licenses.md" },
    rolldownOptions: {
      input: { index: "index.html", service_worker: "src/offline/service_worker.ts" },
      // Browsers look for new builds at the address of the service worker, which must stay the same.
      output: { entryFileNames: ({ name }) => (name === "service_worker" ? SERVICE_WORKER : "assets/[name]-[hash].js") },
    },
  },
  server: { headers, fs: { allow: ["../.."] } },
  preview: { headers },
});
