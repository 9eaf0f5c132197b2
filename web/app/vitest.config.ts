import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const alias = { "@page": fileURLToPath(new URL("../../src/chromalab/colorization/web/static", import.meta.url)) };

export default defineConfig({ resolve: { alias }, test: { include: ["tests/**/*.test.ts"], testTimeout: 120_000 } });
