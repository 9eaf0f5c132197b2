// The images of a trial in the window: loaded ahead, never cropped, at the largest scale that fits, and with a larger
// window or the full screen where the design asks for them.

import { button, paragraph, panel, say, touches, wait, words, zoom } from "./page.js";
import { leaving } from "./session.js";

let preloaded = new Map();

// Return the images of a trial by their roles, and load those of the next trial meanwhile.
export async function imagesOf(state) {
  const loaded = await Promise.all(Object.entries(state.images).map(async ([role, url]) => [role, await load(url)]));
  preloaded = new Map([...preloaded].filter(([url]) => state.preload.includes(url)));
  state.preload.forEach(load);
  return Object.fromEntries(loaded);
}

function load(url) {
  if (!preloaded.has(url)) preloaded.set(url, fetchImage(url));
  return preloaded.get(url);
}

async function fetchImage(url) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 15000)) {
    const image = new Image();
    image.alt = "";
    image.src = url;
    try {
      await image.decode();
      return image;
    } catch {
      say(words.offline.split(".")[0] + ".");
      await wait(pause);
    }
  }
}

// ---- scale and layout

// Device pixels per stimulus pixel: the largest whole number that fits, or 3/4, 2/3, 1/2, 1/3 and so on. Nothing is ever cropped.
function scaleFor(state, count, across) {
  const ratio = devicePixelRatio || 1;
  const down = Math.ceil(count / across);
  const captions = (state.form === "rank" ? 36 * (down - 1) : 0) + (state.inspect.length && innerWidth > 640 ? 56 : 0);
  const room = { width: (innerWidth - 16 - 16 * (across - 1)) * ratio, height: (Math.max(innerHeight - 260, innerHeight * 0.45) - captions) * ratio };
  const fits = Math.min(room.width / (across * state.width), room.height / (down * state.height));
  if (fits >= 1) return Math.min(Math.floor(fits), Math.max(1, Math.round(ratio)));
  return [3 / 4, 2 / 3].find((scale) => scale <= fits) || 1 / Math.ceil(1 / fits);
}

// The number of columns with the largest images, and of these the most columns. Only rankings take more than one row and column.
function layoutFor(state, count) {
  const rows = Array.from({ length: count }, (_, place) => place + 1);
  const all = [...new Set(rows.map((down) => Math.ceil(count / down)))];
  const found = (state.form === "rank" ? all : [count, 1]).map((columns) => ({ columns, stacked: columns < count, scale: scaleFor(state, count, columns) }));
  return found.reduce((best, each) => (each.scale > best.scale ? each : best));
}

// Return the layout of so many images once the window fits, and flags for what does not.
export async function fitted(state, count) {
  const flags = [];
  if (state.fullscreen && !document.fullscreenElement) await askForFullscreen();
  if (state.fullscreen && !document.fullscreenElement) flags.push("fullscreen");
  if (layoutFor(state, count).scale < 1) await enlargeWindow(() => layoutFor(state, count).scale, state);
  const layout = layoutFor(state, count);
  if (layout.scale < 1) flags.push("reduced");
  if (Math.abs(zoom() - 1) > 0.15 && !touches()) flags.push("zoom");
  return { layout, flags };
}

export function sized(image, state, scale) {
  const ratio = devicePixelRatio || 1;
  image.style.width = `${(state.width * scale) / ratio}px`;
  image.style.height = `${(state.height * scale) / ratio}px`;
  image.classList.toggle("enlarged", scale > 1);
  image.draggable = false;
  return image;
}

// How the images are shown, as stored with each vote.
export function viewOf(figures) {
  const images = Object.entries(figures).filter(([role, figure]) => role !== "reference" && figure.isConnected)
    .map(([, figure]) => figure.querySelector("img").getBoundingClientRect());
  const inside = (box) => box.left >= 0 && box.top >= 0 && box.right <= innerWidth + 0.5 && box.bottom <= innerHeight + 0.5;
  return {
    width: images[0].width, height: images[0].height, ratio: devicePixelRatio,
    window_width: innerWidth, window_height: innerHeight, visible: images.every(inside),
  };
}

// ---- the window

let acceptsReduced = false;

// Wait for a larger window. Going on with reduced images is offered once, and never below the design's smallest scale.
function enlargeWindow(scale, state) {
  const least = state.min_scale;
  return new Promise((resolve) => {
    const done = () => { removeEventListener("resize", check); resolve(); };
    const accept = () => { acceptsReduced = true; check(); };
    const ask = () => panel(words.window_title, paragraph(scale() < least ? words.window_needed : words.window_text),
      ...(scale() < least ? leaving(state, "window") : [button(words.window_anyway, accept, { className: "plain" })]));
    const check = () => { if (scale() >= 1 || (acceptsReduced && scale() >= least)) done(); else ask(); };
    addEventListener("resize", check);
    check();
  });
}

function askForFullscreen() {
  return new Promise((resolve) => panel(words.fullscreen_title, paragraph(words.fullscreen_text),
    button(words.next, async () => { await enterFullscreen(); resolve(); })));
}

// Some phones have no full screen: their trials are flagged.
export const enterFullscreen = () => document.documentElement.requestFullscreen?.().catch(() => {});
