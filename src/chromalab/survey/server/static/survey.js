"use strict";

// The participant's pages. The server decides which step to show, so reloading at any step shows the same page.
// An answer stays in localStorage until the server acknowledges it, and is sent again under the same UUID.

const KEY = "chromalab-survey-key";
const PENDING = "chromalab-survey-answer";
const main = document.getElementById("main");
const footer = document.getElementById("footer");
const statusLine = document.getElementById("status");
const dialog = document.getElementById("dialog");

let key = null;
let words = {};
let trial = null;      // the trial on the screen, with its start time
let preloaded = new Map();

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

class Refused extends Error {
  constructor(status, detail, word) { super(detail); this.status = status; this.word = word; }

  // The sentence in the participant's language; what the researcher must change follows in English.
  paragraphs() {
    const told = words[this.word];
    return [...(told ? [paragraph(told)] : []), ...(!told || this.status === 400 ? [make("p", { textContent: this.message, lang: "en" })] : [])];
  }
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data || {});
  element.append(...children);
  return element;
}

const button = (text, onclick, properties = {}) => make("button", { type: "button", textContent: text, onclick, ...properties });

async function call(path, body) {
  const options = { headers: { "X-Session": key || "" }, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, data.detail || answer.statusText, data.word);
  return data;
}

function gamut() {
  for (const name of ["rec2020", "p3", "srgb"]) if (matchMedia(`(color-gamut: ${name})`).matches) return name;
  return "unknown";
}

function zoom() {
  return outerWidth && innerWidth ? Math.round((outerWidth / innerWidth) * 100) / 100 : 1;
}

const screenFacts = () => ({
  width: innerWidth, height: innerHeight, ratio: devicePixelRatio, zoom: zoom(), gamut: gamut(),
  touch: matchMedia("(pointer: coarse)").matches,
});

function show(...children) {
  main.replaceChildren(...children);
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function panel(title, ...children) {
  show(make("section", { className: "panel" }, make("h1", { textContent: title }), ...children));
}

const paragraph = (text) => make("p", { textContent: text });
const say = (text) => { statusLine.textContent = text; };

async function setLanguage(language) {
  words = await call(`/api/texts/${language}`);
  document.documentElement.lang = language;
  document.getElementById("pause").textContent = words.pause;
  document.getElementById("withdraw").textContent = words.withdraw;
}

function forget() {
  localStorage.removeItem(KEY);
  localStorage.removeItem(PENDING);
}

// ---- joining

async function start() {
  const info = await call("/api/info");
  document.title = info.title;
  const query = new URLSearchParams(location.search);
  const stored = JSON.parse(localStorage.getItem(KEY) || "null");
  const platform = query.get(info.params[0]);
  const path = location.pathname.match(/^\/s\/([\w-]+)$/);
  if (path) key = path[1];
  else if (stored && stored.platform === platform && !query.get("invitation")) key = stored.key;
  else await join(info, query, stored);
  if (key === null) return;
  localStorage.setItem(KEY, JSON.stringify({ key, platform }));
  history.replaceState(null, "", `/s/${key}`);
  await sendPending();
  await reload(info);
}

async function join(info, query, stored) {
  const wanted = navigator.languages.map((name) => name.slice(0, 2));
  const language = wanted.find((name) => name in info.languages) || Object.keys(info.languages)[0];
  await setLanguage(language);
  const params = Object.fromEntries(info.params.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  const session = stored ? stored.key : null;
  const found = await call("/api/join", { language, params, invitation: query.get("invitation"), session, screen: screenFacts() });
  key = found.session;
  if (key === null) ended(found.state);
}

async function reload() {
  try {
    await render(await call("/api/state"));
  } catch (error) {
    if (error.status === 401) {
      forget();
      if (!Object.keys(words).length) await setLanguage("en");
      panel(words.withdrawn_title, ...error.paragraphs());
      return;
    }
    throw error;
  }
}

async function render(state) {
  if (!Object.keys(words).length || document.documentElement.lang !== state.language) await setLanguage(state.language || "en");
  document.documentElement.dataset.surround = ["screening", "viewing", "instructions", "trials"].includes(state.stage) ? state.surround : "";
  footer.hidden = !["trials", "instructions", "screening", "before", "viewing", "after"].includes(state.stage);
  document.getElementById("pause").hidden = state.stage !== "trials";
  const pages = { consent, screening, before: questions, viewing, instructions, trials, after: questions, finished };
  await (pages[state.stage] || ended)(state);
}

// ---- before the trials

async function consent(state) {
  const { languages } = await call("/api/info");
  const choice = make("select", { id: "language" }, ...Object.entries(languages).map(([code, name]) =>
    make("option", { value: code, textContent: name, selected: code === state.language })));
  choice.onchange = async () => render(await call("/api/language", { language: choice.value }));
  const decide = async (agreed) => {
    const next = await call("/api/consent", { agreed, sha256: state.sha256 });
    if (!agreed) forget();
    await render({ language: state.language, ...next });
  };
  panel(state.title,
    ...(Object.keys(languages).length > 1 ? [make("div", { className: "languages" }, make("label", { htmlFor: "language", textContent: words.language }), choice)] : []),
    make("h2", { textContent: words.consent_title }),
    ...written(state.text),
    make("div", { className: "buttons" }, button(words.agree, () => guarded(() => decide(true))), button(words.decline, () => guarded(() => decide(false)), { className: "plain" })));
}

async function screening(state) {
  const fields = state.images.map((url, place) => {
    const field = make("input", { id: `screening-${place}`, inputMode: "numeric", maxLength: 2, autocomplete: "off" });
    return { field, box: make("div", {}, make("img", { src: url, alt: "", width: 300, height: 300 }), make("label", { htmlFor: field.id, textContent: `${words.screening_image} ${place + 1}` }), field) };
  });
  panel(words.screening_title, paragraph(words.screening_text), make("div", { className: "screening" }, ...fields.map((each) => each.box)),
    button(words.next, () => guarded(async () => render(await call("/api/screening", { answers: fields.map((each) => each.field.value) })))));
}

// Paragraphs between empty lines, with bold words between pairs of asterisks.
const written = (text) => text.trim().split(/\n\s*\n/).map((part) => make("p", {},
  ...part.split("**").map((words, place) => place % 2 ? make("strong", { textContent: words }) : words)));

async function questions(state) {
  const fields = state.questions.map(questionField);
  const form = make("form", { className: "questions", noValidate: false }, ...fields.map((each) => each.box), make("button", { textContent: words.next }));
  form.onsubmit = (event) => {
    event.preventDefault();
    const answers = Object.fromEntries(fields.map(({ name, value }) => [name, value()]));
    guarded(async () => render(await call("/api/answers", { answers })));
  };
  panel(state.stage === "before" ? words.before_title : words.after_title, form);
}

function questionField(each) {
  const id = `question-${each.name}`;
  const name = each.required ? each.text : `${each.text} (${words.optional})`;
  if (["choice", "likert"].includes(each.kind)) return radioField(each, name);
  const field = each.kind === "text"
    ? make("textarea", { id, rows: 4, maxLength: 2000, required: each.required })
    : make("input", { id, type: "number", step: "any", min: each.low ?? "", max: each.high ?? "", required: each.required });
  return {
    name: each.name, box: make("div", {}, make("label", { htmlFor: id, textContent: name }), field),
    value: () => field.value === "" ? null : each.kind === "text" ? field.value : Number(field.value),
  };
}

function radioField(each, name) {
  const likert = each.kind === "likert";
  const steps = likert ? [1, 2, 3, 4, 5] : each.options.map((_, place) => place);
  const text = (step) => !likert ? each.options[step] : step === 1 ? `1 · ${each.options[0]}` : step === 5 ? `5 · ${each.options[1]}` : String(step);
  const buttons = steps.map((step) => make("input", { type: "radio", name: each.name, value: step, required: each.required }));
  return {
    name: each.name,
    box: make("fieldset", {}, make("legend", { textContent: name }), ...steps.map((step, place) => make("label", { className: "option" }, buttons[place], text(step)))),
    value: () => { const chosen = buttons.find((button) => button.checked); return chosen ? Number(chosen.value) : null; },
  };
}

const keysOf = ({ form, tie }) => form === "rank" ? words.instructions_keys_rank : form === "slider" ? words.instructions_keys_slider
  : form === "single" ? words.instructions_keys_single : tie ? words.instructions_keys_tie : words.instructions_keys_pair;

async function instructions(state) {
  const touch = matchMedia("(pointer: coarse)");
  if (state.devices === "desktop" && touch.matches) return panel(words.desktop_title, paragraph(words.desktop_text), ...leaving(state, "device"));
  const kind = { pairwise: "pairwise", rank_order: "rank", rating: state.form === "slider" ? "slider" : "rating" }[state.protocol]
    || (state.form === "single" ? "fake_single" : "fake_pair");
  const lines = [words[`instructions_${kind}`]];
  if (state.reference) lines.push(words.instructions_reference);
  if (state.tie) lines.push(words.instructions_tie);
  lines.push(...(state.inspect || []).map((name) => words[`instructions_${name}`]));
  if (state.display_ms) lines.push(words.instructions_time);
  if (state.practice) lines.push(words.instructions_practice);
  if (state.feedback) lines.push(words.instructions_feedback);
  if (state.practice_pass) lines.push(fill(words.instructions_pass, state));
  if (state.form === "rank") lines.push(words.instructions_move);
  lines.push(keysOf(state), words.instructions_screen);
  panel(words.instructions_title, ...(state.instructions ? written(state.instructions) : lines.map(paragraph)),
    button(words.begin, () => guarded(async () => {
      if (state.fullscreen) await enterFullscreen();
      await render(await call("/api/begin", screenFacts()));
    })));
}

// ---- a trial

async function load(url) {
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

let rested = 0;

function interrupt(state, title, text) {
  rested = state.number;
  return new Promise((resolve) => panel(title, paragraph(fill(text, state)), button(words.resume, resolve)));
}

async function trials(state) {
  say("");
  if (state.again && rested !== state.number) await interrupt(state, words.again_title, words.again_text);
  if (state.pause && rested !== state.number) await interrupt(state, words.break_title, words.break_text);
  const images = {};
  show(make("div", { className: "trial" }, paragraph(words.loading)));
  const asked = Object.entries(state.images);
  for (const [role, image] of await Promise.all(asked.map(async ([role, url]) => [role, await load(url)]))) images[role] = image;
  preloaded = new Map([...preloaded].filter(([url]) => state.preload.includes(url)));
  state.preload.forEach(load);
  const shown = state.form === "sequential" ? 1 : Object.keys(images).length;
  const flags = [];
  if (state.fullscreen && !document.fullscreenElement) await askForFullscreen();
  if (state.fullscreen && !document.fullscreenElement) flags.push("fullscreen");
  if (layoutFor(state, shown).scale < 1) await enlargeWindow(() => layoutFor(state, shown).scale, state);
  const layout = layoutFor(state, shown);
  if (layout.scale < 1) flags.push("reduced");
  if (Math.abs(zoom() - 1) > 0.15 && !matchMedia("(pointer: coarse)").matches) flags.push("zoom");
  await present(state, images, layout, flags);
}

// The button of people whose device or window does not fit, if the platform has a way back for them.
const leaving = (state, reason) => state.leave
  ? [button(words.leave, () => guarded(async () => render(await call("/api/leave", { reason }))), { className: "plain" })] : [];

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
const enterFullscreen = () => document.documentElement.requestFullscreen?.().catch(() => {});

// How the images are shown, as stored with each vote.
function viewOf(figures) {
  const images = Object.entries(figures).filter(([role, figure]) => role !== "reference" && figure.isConnected)
    .map(([, figure]) => figure.querySelector("img").getBoundingClientRect());
  const inside = (box) => box.left >= 0 && box.top >= 0 && box.right <= innerWidth + 0.5 && box.bottom <= innerHeight + 0.5;
  return {
    width: images[0].width, height: images[0].height, ratio: devicePixelRatio,
    window_width: innerWidth, window_height: innerHeight, visible: images.every(inside),
  };
}

function sized(image, state, layout) {
  const { scale } = layout, ratio = devicePixelRatio || 1;
  image.style.width = `${(state.width * scale) / ratio}px`;
  image.style.height = `${(state.height * scale) / ratio}px`;
  image.classList.toggle("enlarged", scale > 1);
  image.draggable = false;
  return image;
}

const caption = (role, state, layout) => {
  if (state.form === "rank") return placeName(Number(role) - 1, Object.keys(state.images).length);
  if (role === "reference") return words.reference;
  if (["single", "slider"].includes(state.form)) return "";
  if (state.form === "sequential") return role === "left" ? words.first : words.second;
  return role === "left" ? (layout.stacked ? words.top : words.left) : (layout.stacked ? words.bottom : words.right);
};

async function present(state, images, layout, flags) {
  const roles = state.form === "rank" ? Object.keys(images).sort() : ["left", "reference", "right"].filter((role) => role in images);
  const figures = Object.fromEntries(roles.map((role) => {
    images[role].alt = ["single", "slider"].includes(state.form) ? words.picture_of : `${words.picture_of}: ${caption(role, state, layout)}`;
    return [role, make("figure", { className: role === "reference" ? "hidden reference" : "hidden" }, sized(images[role], state, layout), make("figcaption", { textContent: caption(role, state, layout) }))];
  }));
  const pictures = make("div", { className: layout.stacked ? "pictures stacked" : "pictures" });
  if (state.form === "rank") arrange(state, pictures, figures, layout);
  const feedback = make("p", { className: "feedback", role: "status" });
  const buttons = make("div", { className: state.choices.length > 3 ? "buttons ratings" : "buttons" }, ...state.choices.map((choice) =>
    button(label(choice, state, layout), () => guarded(() => answer(choice)), { disabled: true, data: { choice } })));
  const tools = state.inspect.length ? inspection(state, pictures, figures, layout) : null;
  if (state.form === "slider") { buttons.classList.add("scale"); buttons.append(...slider(state)); }
  if (state.form === "rank") buttons.append(button(words.next, () => guarded(submitOrder), { disabled: true }));
  const bar = make("i");
  bar.style.width = `${(100 * (state.number - 1)) / state.total}%`;
  const meta = make("p", { className: "meta" }, ...(state.practice ? [make("span", { className: "tag", textContent: words.practice })] : []), fill(words.progress, state));
  show(make("div", { className: "trial" }, make("div", { className: "bar", role: "progressbar", ariaValueNow: state.number - 1, ariaValueMin: 0, ariaValueMax: state.total, ariaLabel: fill(words.progress, state) }, bar), meta,
    make("h1", { textContent: question(state) }), pictures, ...(tools ? [tools.bar] : []), feedback, buttons,
    ...(state.form === "rank" ? [make("p", { className: "how", textContent: words.instructions_move })] : []),
    make("p", { className: "keys", textContent: [keysOf({ form: state.form, tie: state.choices.includes("tie") }), ...state.inspect.map((name) => words[`keys_${name}`])].join(" ") })));
  trial = { state, flags, blurs: 0, began: null, shown: null, buttons, feedback, figures, tools };
  const mine = trial;
  if (state.form === "sequential") await oneAfterTheOther(state, pictures, figures, mine);
  else await together(state, pictures, figures, mine);
}

async function together(state, pictures, figures, mine) {
  pictures.append(...Object.values(figures));
  await frame();
  Object.values(figures).forEach((figure) => figure.classList.remove("hidden"));
  await frame();
  const began = performance.now();
  open(mine, began);
  if (state.display_ms === null) return;
  await wait(state.display_ms - 8);
  await frame();
  const reference = figures.reference;
  Object.values(figures).forEach((figure) => { if (figure !== reference) figure.querySelector("img").classList.add("hidden"); });
  mine.shown = performance.now() - began;
}

async function oneAfterTheOther(state, pictures, figures, mine) {
  const limit = state.display_ms === null ? 1000 : state.display_ms;
  let longest = 0;
  for (const role of ["left", "right"]) {
    pictures.replaceChildren(figures[role]);
    await frame();
    figures[role].classList.remove("hidden");
    await frame();
    const began = performance.now();
    if (role === "right") open(mine, began);
    await wait(limit - 8);
    await frame();
    figures[role].querySelector("img").classList.add("hidden");
    longest = Math.max(longest, performance.now() - began);
    if (role === "left") await wait(300);
  }
  mine.shown = longest;
}

function open(mine, began) {
  if (trial !== mine) return;
  mine.began = began;
  mine.view = viewOf(mine.figures);
  mine.buttons.querySelectorAll("button, input").forEach((each) => { each.disabled = false; });
  if (mine.state.form === "slider") untouched(mine);
}

// ---- inspection of a pair: both images in one place, and enlarged by whole factors with common panning

function inspection(state, pictures, figures, layout) {
  const used = { switches: 0, zoom: layout.scale }, keys = {}, bar = make("div", { className: "tools", role: "group", ariaLabel: words.inspect });
  const pair = [figures.left, figures.right];
  if (state.inspect.includes("flicker")) bar.append(...flickering(state, pictures, pair, used, keys));
  if (state.inspect.includes("zoom")) bar.append(...zooming(state, pair, layout, used, keys));
  const key = (event) => {
    const action = event.target.tagName === "BUTTON" && event.key === " " ? undefined : keys[event.key];
    if (action) action();
    return Boolean(action) || (event.target.className === "frame" && event.key.startsWith("Arrow") && panBy(event));
  };
  return { bar, used, key };
}

function flickering(state, pictures, pair, used, keys) {
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; automatic?.setAttribute("aria-pressed", "false"); };
  const apart = () => {
    stop();
    pictures.classList.remove("overlaid");
    pair.forEach((figure) => figure.classList.remove("back"));
    beside.disabled = true;
  };
  const change = () => {
    if (!pictures.isConnected || !trial) return stop();
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

function zooming(state, pair, layout, used, keys) {
  const whole = Math.max(1, layout.scale), percent = (scale) => `${Math.round((100 * scale) / whole)}%`;
  const steps = [layout.scale, ...[1, 2, 3, 4].map((factor) => factor * whole).filter((scale) => scale > layout.scale)];
  const ratio = devicePixelRatio || 1;
  let step = 0;
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
  const set = (wanted) => {
    if (!steps[wanted]) return;
    const before = steps[step], scale = steps[wanted], [frame] = frames;
    const center = [frame.scrollLeft + frame.clientWidth / 2, frame.scrollTop + frame.clientHeight / 2].map((at) => (at * scale) / before);
    step = wanted;
    used.zoom = Math.max(used.zoom, scale);
    frames.forEach((each, place) => {
      const image = each.firstElementChild;
      image.style.width = `${(state.width * scale) / ratio}px`;
      image.style.height = `${(state.height * scale) / ratio}px`;
      image.classList.toggle("enlarged", scale > 1);
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

function panBy(event) {
  const frame = event.target, by = 40;
  if (frame.tabIndex !== 0) return false;
  frame.scrollBy({ ArrowLeft: -by, ArrowRight: by }[event.key] || 0, { ArrowUp: -by, ArrowDown: by }[event.key] || 0);
  return true;
}

// ---- a ranking: the images stand in the order of the answer, from best to worst

const places = () => [...main.querySelectorAll(".ranked .place")];
const placeName = (place, count) => place === 0 ? `1 · ${words.best}` : place === count - 1 ? `${count} · ${words.worst}` : String(place + 1);

function arrange(state, pictures, figures, layout) {
  pictures.className = "pictures ranked";
  pictures.style.setProperty("--columns", layout.columns);
  Object.entries(figures).forEach(([role, figure]) => {
    const name = String.fromCharCode(64 + Number(role)), image = figure.querySelector("img");
    image.alt = "";
    const place = make("button", { type: "button", className: "place", onclick: () => take(place), data: { role, name } }, image);
    place.setAttribute("aria-pressed", "false");
    place.onpointerdown = (event) => startDrag(event, place);
    figure.prepend(place);
    namePlace(place, Number(role) - 1, Object.keys(figures).length);
  });
}

function namePlace(button, place, count) {
  button.setAttribute("aria-label", `${words.picture_of} ${button.dataset.name}: ${placeName(place, count)}`);
}

// Take up an image, or put the one taken up before on this place.
function take(chosen) {
  if (performance.now() - lastDrag < 100) return;
  const taken = main.querySelector(".place[aria-pressed=true]");
  places().forEach((each) => each.setAttribute("aria-pressed", String(!taken && each === chosen)));
  if (taken && taken !== chosen) moveTo(taken, places().indexOf(chosen));
}

function moveTo(chosen, place) {
  const all = places(), from = all.indexOf(chosen), figure = chosen.parentElement, target = all[place].parentElement;
  if (from === place || !trial) return;
  figure.remove();
  if (from < place) target.after(figure); else target.before(figure);
  places().forEach((each, k) => {
    each.nextElementSibling.textContent = placeName(k, all.length);
    namePlace(each, k, all.length);
  });
  trial.moved = true;
  trial.feedback.textContent = "";
  chosen.focus({ preventScroll: true });
  say(chosen.getAttribute("aria-label"));
}

let lastDrag = -1000; // a mouse clicks at the end of a drag

function startDrag(event, chosen) {
  if (event.button !== 0) return;
  const start = { x: event.clientX, y: event.clientY };
  let dragged = false;
  const under = (at) => places().find((each) => {
    const box = each.parentElement.getBoundingClientRect();
    return each !== chosen && at.clientX >= box.left && at.clientX <= box.right && at.clientY >= box.top && at.clientY <= box.bottom;
  });
  const move = (at) => {
    const by = { x: at.clientX - start.x, y: at.clientY - start.y };
    if (!dragged && Math.hypot(by.x, by.y) < 8) return;
    dragged = true;
    chosen.classList.add("dragged");
    chosen.style.transform = `translate(${Math.round(by.x)}px, ${Math.round(by.y)}px)`;
    places().forEach((each) => each.classList.toggle("target", each === under(at)));
  };
  const end = (at) => {
    chosen.removeEventListener("pointermove", move);
    chosen.removeEventListener("pointerup", end);
    chosen.removeEventListener("pointercancel", end);
    chosen.classList.remove("dragged");
    chosen.style.transform = "";
    places().forEach((each) => each.classList.remove("target"));
    if (!dragged) return;
    lastDrag = performance.now();
    const target = at.type === "pointerup" ? under(at) : undefined;
    if (target) moveTo(chosen, places().indexOf(target));
  };
  chosen.setPointerCapture(event.pointerId);
  chosen.addEventListener("pointermove", move);
  chosen.addEventListener("pointerup", end);
  chosen.addEventListener("pointercancel", end);
}

async function submitOrder() {
  if (!trial) return;
  if (!trial.moved && !trial.feedback.textContent) {
    trial.feedback.textContent = words.unmoved;
    say(words.unmoved);
    return;
  }
  if (!trial.moved) trial.flags.push("unmoved");
  await answer(places().map((each) => each.dataset.role).join(""));
}

// Arrows and numbers move the image in focus.
function rankKey(event) {
  const all = places(), place = all.indexOf(document.activeElement);
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
  if (step === undefined && (number === null || number >= all.length)) return;
  event.preventDefault();
  if (place < 0) all[number ?? 0].focus();
  else moveTo(all[place], number ?? Math.min(Math.max(place + step, 0), all.length - 1));
}

// ---- a slider: it shows no answer until it is moved

function slider(state) {
  const field = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, className: "unset", disabled: true });
  field.setAttribute("aria-label", question(state));
  field.setAttribute("aria-describedby", "slider-ends");
  const ends = make("span", { className: "ends", id: "slider-ends" }, make("span", { textContent: `0 · ${words.slider_low}` }), make("span", { textContent: `100 · ${words.slider_high}` }));
  const send = button(words.next, () => guarded(() => submitSlider()), { disabled: true });
  const touched = () => { field.classList.remove("unset"); send.disabled = false; };
  field.oninput = field.onpointerdown = touched;
  field.onkeydown = (event) => { if (/^(Arrow|Page|Home|End)/.test(event.key)) touched(); };
  return [make("div", { className: "slider" }, field, ends), send];
}

function untouched(mine) {
  mine.buttons.querySelector("button").disabled = true;
  mine.buttons.querySelector("input").focus({ preventScroll: true });
}

async function submitSlider() {
  const field = trial?.buttons.querySelector("input:not(.unset)");
  if (field) await answer(`${field.value}/100`);
}

function question(state) {
  if (state.question) return state.question;
  if (state.protocol === "pairwise") return words.question_pairwise;
  if (state.protocol === "rank_order") return words.question_rank;
  if (state.protocol === "rating") return words.question_rating;
  return state.form === "single" ? words.question_fake_single : words.question_fake_pair;
}

function label(choice, state, layout) {
  if (["left", "right"].includes(choice)) return caption(choice, state, layout);
  return state.protocol === "rating" ? words[`rating_${choice}`] : words[choice];
}

async function answer(choice) {
  if (!trial || trial.began === null) return;
  const mine = trial;
  trial = null;
  mine.buttons.querySelectorAll("button, input").forEach((each) => { each.disabled = true; });
  const now = performance.now();
  const body = {
    trial: mine.state.trial, uuid: crypto.randomUUID ? crypto.randomUUID() : randomNumber(), choice,
    response_ms: now - mine.began, shown_ms: mine.state.display_ms === null ? null : (mine.shown === null ? now - mine.began : mine.shown),
    blurs: mine.blurs, view: { ...mine.view, ...mine.tools?.used }, flags: mine.flags,
  };
  localStorage.setItem(PENDING, JSON.stringify({ key, body }));
  const result = await sendPending();
  if (result === null) return reload();
  if (typeof result.feedback === "boolean") {
    mine.feedback.textContent = result.feedback ? words.correct : words.incorrect;
    if (result.why) await explain(mine, words[`why_${result.why}`]);
    else await wait(900);
  }
  await render(result.state);
}

// The images stay, so that people see what the explanation means.
function explain(mine, why) {
  mine.feedback.append(make("span", { textContent: why }));
  Object.values(mine.figures).forEach((figure) => figure.querySelector("img").classList.remove("hidden"));
  return new Promise((resolve) => {
    const next = button(words.next, resolve);
    mine.buttons.replaceChildren(next);
    mine.buttons.nextElementSibling.hidden = true;  // the keys
    next.focus();
  });
}

// crypto.randomUUID exists only over https, so build the number from random bytes.
function randomNumber() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Send the answer that is not acknowledged yet. Return null if the server already has another answer, so the caller reloads.
async function sendPending() {
  const pending = JSON.parse(localStorage.getItem(PENDING) || "null");
  if (!pending || pending.key !== key) return null;
  for (let pause = 500; ; pause = Math.min(pause * 2, 30000)) {
    try {
      const result = await call("/api/vote", pending.body);
      localStorage.removeItem(PENDING);
      say("");
      return result;
    } catch (error) {
      if (error.status && error.status < 500 && error.status !== 429) {
        localStorage.removeItem(PENDING);
        if (error.status === 409 && words.elsewhere) say(words.elsewhere);
        return null;
      }
      if (words.offline) say(words.offline);
      await wait(pause * (0.75 + Math.random() / 2));
    }
  }
}

// ---- pause, withdraw, end

function pause() {
  trial = null;
  footer.hidden = true;
  panel(words.paused_title, paragraph(words.paused_text), make("p", { className: "link", textContent: location.href }), button(words.resume, () => guarded(reload)));
}

async function downloadOwnData() {
  const file = new Blob([JSON.stringify(await call("/api/data"), null, 1)], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file), download: "my-data.json" });
  link.click();
  URL.revokeObjectURL(link.href);
}

function askToWithdraw() {
  document.getElementById("dialog-title").textContent = words.withdraw_title;
  document.getElementById("dialog-text").textContent = words.withdraw_text;
  const yes = document.getElementById("dialog-yes"), no = document.getElementById("dialog-no");
  yes.textContent = words.withdraw_yes;
  no.textContent = words.withdraw_no;
  no.onclick = () => dialog.close();
  yes.onclick = () => guarded(async () => {
    dialog.close();
    trial = null;
    await call("/api/withdraw", {});
    forget();
    footer.hidden = true;
    say("");
    panel(words.withdrawn_title, paragraph(words.withdrawn_text));
  });
  dialog.showModal();
}

const codeOf = (state, title) => state.code ? [paragraph(title), make("p", { className: "code", textContent: state.code })] : [];

async function finished(state) {
  panel(words.done_title, paragraph(words.done_text), ...written(state.thanks || "").filter((part) => part.textContent),
    ...(state.failed ? [paragraph(words.failed_text)] : []), ...codeOf(state, state.failed ? words.out_code : words.done_code),
    ...(state.redirect ? [make("p", {}, make("a", { className: "button", href: state.redirect, textContent: words.done_link }))] : []),
    ...(state.next ? [button(words.next_person, () => { forget(); location.assign(state.next); })] : []),
    make("p", { className: "buttons" }, button(words.own_data, () => guarded(downloadOwnData), { className: "plain" }), button(words.done_withdraw, askToWithdraw, { className: "plain" })));
  if (state.redirect) { await wait(3000); if (!dialog.open) location.assign(state.redirect); }
}

async function ended(state) {
  footer.hidden = true;
  const name = { full: "full", screened: "screened", declined: "out" }[state.stage] || "stopped";
  panel(words[`${name}_title`], paragraph(words[`${name}_${state.reason || "text"}`]), ...codeOf(state, words.out_code),
    ...(state.redirect ? [make("a", { className: "button", href: state.redirect, textContent: words.done_link })] : []),
    ...(state.stage === "screened" ? [button(words.done_withdraw, askToWithdraw, { className: "plain" })] : []));
}

async function guarded(action) {
  try {
    await action();
  } catch (error) {
    if (error.status === 409) return reload();
    const texts = { error_title: "Something went wrong", error_text: "Please reload this page. No answer is lost.", ...words };
    const told = [400, 403, 429].includes(error.status) ? error.paragraphs() : [paragraph(texts.error_text)];
    panel(texts.error_title, ...told, button("↻", () => location.reload()));
  }
}

document.getElementById("pause").onclick = pause;
document.getElementById("withdraw").onclick = askToWithdraw;
addEventListener("blur", () => { if (trial) trial.blurs += 1; });
document.addEventListener("visibilitychange", () => { if (trial && document.hidden) trial.blurs += 1; });
addEventListener("keydown", (event) => {
  if (!trial || dialog.open || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const { choices, form } = trial.state;
  if (trial.tools && trial.began !== null && trial.tools.key(event)) return event.preventDefault();
  if (trial.began !== null && form === "rank") return rankKey(event);
  if (form === "slider") { if (event.key === "Enter" && event.target.type === "range") guarded(submitSlider); return; }
  const named = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "left", ArrowDown: choices.includes("tie") ? "tie" : "right" }[event.key];
  const numbered = choices.includes("5") ? event.key : choices[Number(event.key) - 1];
  const choice = [named, numbered].find((each) => choices.includes(each));
  if (choice) { event.preventDefault(); guarded(() => answer(choice)); }
});

guarded(start);
