// What the participant's pages are made of: elements, texts, fields of questions, and facts about the screen.

export const main = document.getElementById("main");
export const footer = document.getElementById("footer");
export const dialog = document.getElementById("dialog");
const statusLine = document.getElementById("status");

// The texts in the participant's language; empty until `setLanguage` has loaded them.
export const words = {};

export const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  const { data, ...rest } = properties;
  Object.assign(element, rest);
  Object.assign(element.dataset, data || {});
  element.append(...children);
  return element;
}

export const button = (text, onclick, properties = {}) => make("button", { type: "button", textContent: text, onclick, ...properties });
export const paragraph = (text) => make("p", { textContent: text });

// Paragraphs between empty lines, with bold words between pairs of asterisks.
export const written = (text) => text.trim().split(/\n\s*\n/).map((part) => make("p", {},
  ...part.split("**").map((words, place) => place % 2 ? make("strong", { textContent: words }) : words)));

export const say = (text) => { statusLine.textContent = text; };

export function show(...children) {
  main.replaceChildren(...children);
  main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

export function panel(title, ...children) {
  show(make("section", { className: "panel" }, make("h1", { textContent: title }), ...children));
}

// ---- fields of questions: a name, a box with the label, and a function that returns the answer

export function questionField(each) {
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

export function radioField(each, name) {
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

// ---- facts about the screen

export const touches = () => matchMedia("(pointer: coarse)").matches;

export function zoom() {
  return outerWidth && innerWidth ? Math.round((outerWidth / innerWidth) * 100) / 100 : 1;
}

function gamut() {
  for (const name of ["rec2020", "p3", "srgb"]) if (matchMedia(`(color-gamut: ${name})`).matches) return name;
  return "unknown";
}

export const screenFacts = () => ({
  width: innerWidth, height: innerHeight, ratio: devicePixelRatio, zoom: zoom(), gamut: gamut(), touch: touches(),
});
