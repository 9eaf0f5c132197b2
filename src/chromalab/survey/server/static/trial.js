// A trial: its images, the answer, and for practice trials the right answer.

import { fitted, imagesOf, sized, viewOf } from "./images.js";
import { inspection } from "./inspection.js";
import { button, dialog, fill, frame, make, panel, paragraph, say, show, wait, words } from "./page.js";
import { placeName, ranking } from "./ranking.js";
import { guarded, reload, render, send } from "./session.js";

let trial = null;  // the trial on the screen, which takes an answer
let rested = 0;

export function leaveTrial() {
  if (trial) trial.over = true;
  trial = null;
}

function interrupt(state, title, text) {
  rested = state.number;
  return new Promise((resolve) => panel(title, paragraph(fill(text, state)), button(words.resume, resolve)));
}

export async function trials(state) {
  say("");
  if (state.again && rested !== state.number) await interrupt(state, words.again_title, words.again_text);
  if (state.pause && rested !== state.number) await interrupt(state, words.break_title, words.break_text);
  show(make("div", { className: "trial" }, paragraph(words.loading)));
  const images = await imagesOf(state);
  const { layout, flags } = await fitted(state, state.form === "sequential" ? 1 : Object.keys(images).length);
  await present(state, images, layout, flags);
}

// ---- the page of a trial

async function present(state, images, layout, flags) {
  const mine = {
    state, layout, flags, figures: figuresOf(state, images, layout), buttons: answerButtons(state, layout),
    pictures: make("div", { className: layout.stacked ? "pictures stacked" : "pictures" }),
    feedback: make("p", { className: "feedback", role: "status" }),
    blurs: 0, began: null, shown: null, moved: false, over: false,
  };
  if (state.form === "rank") mine.ranking = ranking(mine);
  if (state.inspect.length) mine.tools = inspection(mine);
  show(make("div", { className: "trial" }, ...progress(state), make("h1", { textContent: question(state) }), mine.pictures,
    ...(mine.tools ? [mine.tools.bar] : []), mine.feedback, mine.buttons, ...hints(state)));
  trial = mine;
  await (state.form === "sequential" ? oneAfterTheOther(mine) : together(mine));
}

function figuresOf(state, images, layout) {
  const roles = state.form === "rank" ? Object.keys(images).sort() : ["left", "reference", "right"].filter((role) => role in images);
  return Object.fromEntries(roles.map((role) => {
    const named = caption(role, state, layout), image = sized(images[role], state, layout.scale);
    image.alt = ["single", "slider"].includes(state.form) ? words.picture_of : `${words.picture_of}: ${named}`;
    return [role, make("figure", { className: role === "reference" ? "hidden reference" : "hidden" }, image, make("figcaption", { textContent: named }))];
  }));
}

const caption = (role, state, layout) => {
  if (state.form === "rank") return placeName(Number(role) - 1, Object.keys(state.images).length);
  if (role === "reference") return words.reference;
  if (["single", "slider"].includes(state.form)) return "";
  if (state.form === "sequential") return role === "left" ? words.first : words.second;
  return role === "left" ? (layout.stacked ? words.top : words.left) : (layout.stacked ? words.bottom : words.right);
};

function answerButtons(state, layout) {
  const buttons = make("div", { className: state.choices.length > 3 ? "buttons ratings" : "buttons" }, ...state.choices.map((choice) =>
    button(label(choice, state, layout), () => guarded(() => answer(choice)), { disabled: true, data: { choice } })));
  if (state.form === "slider") { buttons.classList.add("scale"); buttons.append(...slider(state)); }
  if (state.form === "rank") buttons.append(button(words.next, () => guarded(submitOrder), { disabled: true }));
  return buttons;
}

function label(choice, state, layout) {
  if (["left", "right"].includes(choice)) return caption(choice, state, layout);
  return state.protocol === "rating" ? words[`rating_${choice}`] : words[choice];
}

function progress(state) {
  const bar = make("i"), text = fill(words.progress, state);
  bar.style.width = `${(100 * (state.number - 1)) / state.total}%`;
  return [
    make("div", { className: "bar", role: "progressbar", ariaValueNow: state.number - 1, ariaValueMin: 0, ariaValueMax: state.total, ariaLabel: text }, bar),
    make("p", { className: "meta" }, ...(state.practice ? [make("span", { className: "tag", textContent: words.practice })] : []), text),
  ];
}

function question(state) {
  if (state.question) return state.question;
  if (state.protocol === "pairwise") return words.question_pairwise;
  if (state.protocol === "rank_order") return words.question_rank;
  if (state.protocol === "rating") return words.question_rating;
  return state.form === "single" ? words.question_fake_single : words.question_fake_pair;
}

export const keysOf = ({ form, tie }) => form === "rank" ? words.instructions_keys_rank : form === "slider" ? words.instructions_keys_slider
  : form === "single" ? words.instructions_keys_single : tie ? words.instructions_keys_tie : words.instructions_keys_pair;

function hints(state) {
  const keys = [keysOf({ form: state.form, tie: state.choices.includes("tie") }), ...state.inspect.map((name) => words[`keys_${name}`])];
  return [
    ...(state.form === "rank" ? [make("p", { className: "how", textContent: words.instructions_move })] : []),
    make("p", { className: "keys", textContent: keys.join(" ") }),
  ];
}

// ---- showing the images

async function together(mine) {
  const { state, pictures, figures } = mine;
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

async function oneAfterTheOther(mine) {
  const { state, pictures, figures } = mine;
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

// ---- a slider: it shows no answer until it is moved

function slider(state) {
  const field = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, className: "unset", disabled: true });
  field.setAttribute("aria-label", question(state));
  field.setAttribute("aria-describedby", "slider-ends");
  const ends = make("span", { className: "ends", id: "slider-ends" }, make("span", { textContent: `0 · ${words.slider_low}` }), make("span", { textContent: `100 · ${words.slider_high}` }));
  const next = button(words.next, () => guarded(submitSlider), { disabled: true });
  const touched = () => { field.classList.remove("unset"); next.disabled = false; };
  field.oninput = field.onpointerdown = touched;
  field.onkeydown = (event) => { if (/^(Arrow|Page|Home|End)/.test(event.key)) touched(); };
  return [make("div", { className: "slider" }, field, ends), next];
}

function untouched(mine) {
  mine.buttons.querySelector("button").disabled = true;
  mine.buttons.querySelector("input").focus({ preventScroll: true });
}

// ---- the answer

async function submitSlider() {
  const field = trial?.buttons.querySelector("input:not(.unset)");
  if (field) await answer(`${field.value}/100`);
}

async function submitOrder() {
  if (!trial) return;
  if (!trial.moved && !trial.feedback.textContent) {
    trial.feedback.textContent = words.unmoved;
    say(words.unmoved);
    return;
  }
  if (!trial.moved) trial.flags.push("unmoved");
  await answer(trial.ranking.order());
}

async function answer(choice) {
  if (!trial || trial.began === null) return;
  const mine = trial;
  leaveTrial();
  mine.buttons.querySelectorAll("button, input").forEach((each) => { each.disabled = true; });
  const now = performance.now();
  const body = {
    trial: mine.state.trial, uuid: crypto.randomUUID ? crypto.randomUUID() : randomNumber(), choice,
    response_ms: now - mine.began, shown_ms: mine.state.display_ms === null ? null : (mine.shown === null ? now - mine.began : mine.shown),
    blurs: mine.blurs, view: { ...mine.view, ...mine.tools?.used }, flags: mine.flags,
  };
  const result = await send(body);
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

function onKey(event) {
  if (!trial || dialog.open || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const { choices, form } = trial.state;
  if (trial.tools && trial.began !== null && trial.tools.key(event)) return event.preventDefault();
  if (trial.began !== null && form === "rank") return trial.ranking.key(event);
  if (form === "slider") { if (event.key === "Enter" && event.target.type === "range") guarded(submitSlider); return; }
  const named = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "left", ArrowDown: choices.includes("tie") ? "tie" : "right" }[event.key];
  const numbered = choices.includes("5") ? event.key : choices[Number(event.key) - 1];
  const choice = [named, numbered].find((each) => choices.includes(each));
  if (choice) { event.preventDefault(); guarded(() => answer(choice)); }
}

addEventListener("keydown", onKey);
addEventListener("blur", () => { if (trial) trial.blurs += 1; });
document.addEventListener("visibilitychange", () => { if (trial && document.hidden) trial.blurs += 1; });
