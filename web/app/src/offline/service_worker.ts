/**
 * The service worker: keeps all files of one build on the device, and answers from them alone.
 *
 * A new build waits until no page of the old one is open, or until the reader asks for it; so a page never gets files of
 * two builds. The headers that it adds isolate the page, so that the network may use several threads on any server.
 */

export {};

declare const self: ServiceWorkerGlobalScope;

/** What the build writes in place of this constant. */
interface Build {
  /** Hash of all files. */
  readonly version: string;
  /** Paths of all files, relative to the page. */
  readonly files: readonly string[];
  /** The Content-Security-Policy of the page. */
  readonly policy: string;
}

declare const BUILD: Build;

const PREFIX = "chromalab-app-";
const CACHE = PREFIX + BUILD.version;
const PAGE = "index.html";

self.addEventListener("install", (event) => event.waitUntil(store()));
self.addEventListener("activate", (event) => event.waitUntil(takeOver()));
self.addEventListener("message", ({ data }) => data === "activate" && void self.skipWaiting());
self.addEventListener("fetch", (event) => {
  const path = pathOf(event.request);
  if (path !== undefined) event.respondWith(answer(event.request, path));
});

/** Stores all files; those with a hash in their name are copied from an older build if it has them. */
async function store(): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const file of BUILD.files) {
    const url = new URL(file, self.registration.scope).href;
    const hashed = file.startsWith("assets/");
    const known = hashed ? await caches.match(url) : undefined;
    const response = known ?? (await fetch(url, { cache: hashed ? "default" : "reload" }));
    if (!response.ok) throw new Error(`${url}: HTTP status ${response.status}`);
    await cache.put(url, response);
  }
}

/** Removes older builds, and answers also the pages that were opened before this worker. */
async function takeOver(): Promise<void> {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

/** Returns the path of the stored file that a request asks for, or undefined if it asks for no file of the app. */
function pathOf({ url, method }: Request): string | undefined {
  const { scope } = self.registration;
  const address = url.split(/[?#]/)[0]!;
  if (method !== "GET" || !address.startsWith(scope)) return undefined;
  const path = address.slice(scope.length) || PAGE;
  return BUILD.files.includes(path) ? path : undefined;
}

async function answer(request: Request, path: string): Promise<Response> {
  const stored = await (await caches.open(CACHE)).match(new URL(path, self.registration.scope).href);
  const response = stored ?? (await fetch(request)); // the browser may have removed the stored files
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  headers.set("Content-Security-Policy", BUILD.policy);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
