// The pages on which participants measure how they see the photos: size of the screen, distance and brightness.
// The server computes and stores the results. It returns the next step, and after the last one a summary.

import { button, dialog, fill, frame, main, make, panel, paragraph, radioField, touches, wait, words, written } from "./page.js";
import { call, guarded, render } from "./session.js";

const CARD_MM = { long: 85.6, short: 53.98 };
const DOT_MM_PER_S = 20, DOT_MM = 5, DOT_START_MM = [20, 50];
const REST_MS = 700;

export function viewing(state, step = state.step, fault = "") {
  ({ card: cardPage, distance: distancePage, brightness: brightnessPage, summary: summaryPage })[step](state, fault);
}

async function storeMeasurement(state, values) {
  try {
    await render(await call("/api/viewing", values));
  } catch (error) {
    if (error.status !== 400) throw error;
    viewing(state, values.step, words[error.word] || error.message);
  }
}

// A page of a step, with a button to skip it.
function measurementPage(state, step, fault, nothing, ...children) {
  panel(words[`viewing_${step}_title`], ...(fault ? [make("p", { className: "fault", role: "alert", textContent: fault })] : []), ...children,
    button(words.viewing_skip, () => guarded(() => storeMeasurement(state, { step, ...nothing })), { className: "plain" }));
  main.firstChild.classList.add("wide");
}

// The outline stands upright where a lying card does not fit, as on phones.
function cardPage(state, fault) {
  const touch = touches();
  const upright = innerWidth < CARD_MM.long * (touch ? 6.5 : 4.5);
  const most = Math.min(1280, Math.floor(upright ? ((innerWidth - 8) * CARD_MM.long) / CARD_MM.short : innerWidth - 96));
  const outline = make("div", { className: upright ? "card upright" : "card", ariaHidden: "true" });
  const slider = make("input", { type: "range", id: "card-size", min: 90, max: most, step: 1 });
  slider.value = Math.round(CARD_MM.long * (state.css_px_per_mm || (touch ? 6 : 3.8)));
  const draw = () => {
    const long = `${slider.value}px`, short = `${(slider.value * CARD_MM.short) / CARD_MM.long}px`;
    Object.assign(outline.style, upright ? { width: short, height: long } : { width: long, height: short });
  };
  const change = (by) => () => { slider.valueAsNumber += by; draw(); };
  slider.oninput = draw;
  draw();
  measurementPage(state, "card", fault, { long_side_px: null, ratio: devicePixelRatio }, paragraph(words.viewing_card_text),
    make("label", { htmlFor: slider.id, textContent: words.viewing_card_size }), slider,
    make("div", { className: "buttons" }, button(words.viewing_smaller, change(-1), { className: "outlined" }), button(words.viewing_larger, change(1), { className: "outlined" }),
      button(words.next, () => guarded(() => storeMeasurement(state, { step: "card", long_side_px: slider.valueAsNumber, ratio: devicePixelRatio })))),
    outline);
  slider.focus({ preventScroll: true });
}

function distancePage(state, fault) {
  measurementPage(state, "distance", fault, { offsets_px: null, ratio: devicePixelRatio }, ...written(fill(words.viewing_distance_text, state)),
    button(words.viewing_start, () => guarded(() => measureDistance(state))));
}

async function measureDistance(state) {
  const offsets = [];
  const dot = make("div", { className: "dot hidden" }), square = make("div", { className: "square" });
  const track = make("div", { className: "track", ariaHidden: "true" }, square, dot);
  const count = paragraph(""), told = make("p", { role: "alert" });
  let mark = () => {};
  const press = button(words.viewing_vanished, () => mark(), { onpointerdown: () => mark() });
  measurementPage(state, "distance", "", { offsets_px: null, ratio: devicePixelRatio }, paragraph(words.viewing_look), track, count, press, told);
  press.focus({ preventScroll: true });
  const onKey = (event) => {
    const elsewhere = event.target.closest("button") && event.target !== press;
    if (![" ", "Enter"].includes(event.key) || elsewhere || dialog.open) return;
    event.preventDefault();
    if (!event.repeat) mark();
  };
  addEventListener("keydown", onKey);
  try {
    while (offsets.length < state.repetitions) {
      count.textContent = `${offsets.length + 1} / ${state.repetitions}`;
      await wait(REST_MS);
      const offset = await oneRun(state, { track, square, dot }, (stop) => { mark = stop; }, () => { told.textContent = words.viewing_edge; });
      if (offset === null) return;
      told.textContent = "";
      offsets.push(offset);
    }
  } finally {
    removeEventListener("keydown", onKey);
  }
  await storeMeasurement(state, { step: "distance", offsets_px: offsets, ratio: devicePixelRatio });
}

// Move the dot to the left from a random place until someone presses. Return its offset from the square in CSS pixels, or null if the page was left.
async function oneRun(state, { track, square, dot }, onPress, onEdge) {
  const mm = state.css_px_per_mm, [near, far] = DOT_START_MM;
  const start = () => mm * (near + (far - near) * Math.random());
  dot.style.width = dot.style.height = `${mm * DOT_MM}px`;
  const center = square.offsetLeft + square.offsetWidth / 2;
  let offset = Math.min(start(), center / 3), before = null, pressed = false;
  onPress(() => { pressed = true; });
  while (!pressed) {
    if (!track.isConnected) return null;
    dot.style.left = `${center - offset - (mm * DOT_MM) / 2}px`;
    dot.classList.remove("hidden");
    const now = await frame();
    if (pressed) break;
    offset += (DOT_MM_PER_S * mm * Math.min(now - (before ?? now), 50)) / 1000;
    before = now;
    if (offset > center - mm * DOT_MM) { onEdge(); offset = Math.min(start(), center / 3); }
  }
  onPress(() => {});
  dot.classList.add("hidden");
  return offset;
}

function brightnessPage(state, fault) {
  const count = (name, ground, levels) => {
    const field = radioField({ name, kind: "choice", options: ["0", ...levels.map((_, place) => String(place + 1))], required: true }, words[`viewing_${name}`]);
    field.box.classList.add("inline");
    const strip = make("div", { className: "strip", ariaHidden: "true" }, ...levels.map((level) => painted(make("i"), level)));
    field.box.querySelector("legend").after(painted(strip, ground));
    return field;
  };
  const fields = [count("dark", 0, state.dark), count("light", 255, state.light), linesField(state)];
  const form = make("form", { className: "questions" }, ...fields.map((each) => each.box), make("button", { textContent: words.next }));
  form.onsubmit = (event) => {
    event.preventDefault();
    const [dark_seen, light_seen, match] = fields.map((each) => each.value());
    guarded(() => storeMeasurement(state, { step: "brightness", dark_seen, light_seen, match }));
  };
  measurementPage(state, "brightness", fault, { dark_seen: null, light_seen: null, match: null }, paragraph(words.viewing_brightness_text), form);
}

function painted(element, level) {
  element.style.background = `rgb(${level} ${level} ${level})`;
  return element;
}

function linesField(state) {
  const field = radioField({ name: "lines", kind: "choice", options: state.grays.map((_, place) => String(place + 1)), required: true }, words.viewing_lines);
  field.box.classList.add("inline", "lines");
  field.box.querySelectorAll("label").forEach((label, place) => label.prepend(linesAround(state.grays[place])));
  return field;
}

// Black and white lines of one screen pixel, which together have half the luminance of white, around a uniform gray.
function linesAround(gray) {
  const ratio = devicePixelRatio || 1, side = Math.round(64 * ratio), inner = Math.round(side / 4);
  const canvas = make("canvas", { width: side, height: side, ariaHidden: "true" });
  canvas.style.width = canvas.style.height = `${side / ratio}px`;
  const pen = canvas.getContext("2d");
  for (let row = 0; row < side; row += 1) {
    pen.fillStyle = row % 2 ? "#fff" : "#000";
    pen.fillRect(0, row, side, 1);
  }
  pen.fillStyle = `rgb(${gray} ${gray} ${gray})`;
  pen.fillRect(inner, inner, side - 2 * inner, side - 2 * inner);
  return canvas;
}

function summaryPage(state) {
  const told = (step) => state.skipped.includes(step) ? words.viewing_skipped
    : step === "distance" ? fill(words.viewing_cm, { cm: Math.round(state.distance_mm / 10) }) : words.viewing_measured;
  const redo = (step) => step === "distance" && state.skipped.includes("card") ? [] : [
    button(words.viewing_repeat, () => viewing(state, step), { className: "plain", ariaLabel: `${words.viewing_repeat}: ${words[`viewing_${step}_title`]}` })];
  panel(words.viewing_summary_title, paragraph(words.viewing_summary_text),
    make("ul", { className: "measured" }, ...state.steps.map((step) => make("li", {}, make("span", { textContent: words[`viewing_${step}_title`] }), make("strong", { textContent: told(step) }), ...redo(step)))),
    button(words.next, () => guarded(async () => render(await call("/api/viewing/end", {})))));
}
