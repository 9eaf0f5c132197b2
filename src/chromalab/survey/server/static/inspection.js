// Inspection of a pair: both images in one place, and enlarged by whole factors with common panning.

import { sized } from "./images.js";
import { button, make, words } from "./page.js";

// Return the bar of tools, what was used of them, and a function that handles a key and returns whether it did.
export function inspection(trial) {
  const { state, figures, layout } = trial;
  const used = { switches: 0, zoom: layout.scale }, keys = {}, bar = make("div", { className: "tools", role: "group", ariaLabel: words.inspect });
  const pair = [figures.left, figures.right];
  if (state.inspect.includes("flicker")) bar.append(...flickering(trial, pair, used, keys));
  if (state.inspect.includes("zoom")) bar.append(...zooming(trial, pair, used, keys));
  const key = (event) => {
    const action = event.target.tagName === "BUTTON" && event.key === " " ? undefined : keys[event.key];
    if (action) action();
    return Boolean(action) || (event.target.className === "frame" && event.key.startsWith("Arrow") && panBy(event));
  };
  return { bar, used, key };
}

function flickering(trial, pair, used, keys) {
  const { state, pictures } = trial;
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; automatic?.setAttribute("aria-pressed", "false"); };
  const apart = () => {
    stop();
    pictures.classList.remove("overlaid");
    pair.forEach((figure) => figure.classList.remove("back"));
    beside.disabled = true;
  };
  const change = () => {
    if (!pictures.isConnected || trial.over) return stop();
    const first = !pictures.classList.contains("overlaid");
    pictures.style.minHeight = `${pictures.offsetHeight}px`;
    pictures.classList.add("overlaid");
    beside.disabled = false;
    const back = first ? pair[1] : pair.find((figure) => !figure.classList.contains("back"));
    pair.forEach((figure) => figure.classList.toggle("back", figure === back));
    if (!first) used.switches += 1;
  };
  const run = () => {
    if (timer) return stop();
    change();
    timer = setInterval(change, 1000 / state.flicker_hz);
    automatic.setAttribute("aria-pressed", "true");
  };
  const beside = button(words.inspect_beside, apart, { disabled: true });
  const automatic = state.flicker_hz ? button(words.inspect_automatic, run, { ariaPressed: "false" }) : null;
  keys[" "] = () => { stop(); change(); };
  return [button(words.inspect_switch, keys[" "]), ...(automatic ? [automatic] : []), beside];
}

function zooming({ state, layout }, pair, used, keys) {
  const whole = Math.max(1, layout.scale), percent = (scale) => `${Math.round((100 * scale) / whole)}%`;
  const steps = [layout.scale, ...[1, 2, 3, 4].map((factor) => factor * whole).filter((scale) => scale > layout.scale)];
  let step = 0;
  const frames = commonFrames(pair);
  const set = (wanted) => {
    if (!steps[wanted]) return;
    const before = steps[step], scale = steps[wanted], [frame] = frames;
    const center = [frame.scrollLeft + frame.clientWidth / 2, frame.scrollTop + frame.clientHeight / 2].map((at) => (at * scale) / before);
    step = wanted;
    used.zoom = Math.max(used.zoom, scale);
    frames.forEach((each, place) => {
      sized(each.firstElementChild, state, scale);
      each.tabIndex = step ? 0 : -1;
      each.ariaLabel = `${words.picture_of}: ${pair[place].querySelector("figcaption").textContent}`;
      each.scrollTo(center[0] - each.clientWidth / 2, center[1] - each.clientHeight / 2);
    });
    larger.disabled = step === steps.length - 1;
    smaller.disabled = step === 0;
    level.textContent = percent(scale);
  };
  const larger = button("+", () => set(step + 1), { ariaLabel: words.inspect_larger });
  const smaller = button("−", () => set(step - 1), { ariaLabel: words.inspect_smaller, disabled: true });
  const level = make("output", { textContent: percent(layout.scale) });
  keys["+"] = keys["="] = () => set(step + 1);
  keys["-"] = () => set(step - 1);
  return [smaller, level, larger];
}

// Put each image into a frame; the frames scroll together, also where the mouse drags an image.
function commonFrames(pair) {
  const frames = pair.map((figure) => {
    const image = figure.querySelector("img");
    const frame = make("div", { className: "frame" }, image);
    frame.style.width = image.style.width;
    frame.style.height = image.style.height;
    figure.prepend(frame);
    return frame;
  });
  frames.forEach((frame, place) => {
    const other = frames[1 - place];
    frame.onscroll = () => { other.scrollTo({ left: frame.scrollLeft, top: frame.scrollTop, behavior: "instant" }); };
    frame.onpointermove = (event) => { if (event.pointerType === "mouse" && event.buttons === 1) frame.scrollBy(-event.movementX, -event.movementY); };
  });
  return frames;
}

function panBy(event) {
  const frame = event.target, by = 40;
  if (frame.tabIndex !== 0) return false;
  frame.scrollBy({ ArrowLeft: -by, ArrowRight: by }[event.key] || 0, { ArrowUp: -by, ArrowDown: by }[event.key] || 0);
  return true;
}
