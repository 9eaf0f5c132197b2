// A ranking: the images stand in the order of the answer, from best to worst. People move them by mouse, touch or keys.

import { make, say, words } from "./page.js";

const places = (trial) => [...trial.pictures.querySelectorAll(".place")];

export const placeName = (place, count) => place === 0 ? `1 · ${words.best}` : place === count - 1 ? `${count} · ${words.worst}` : String(place + 1);

// Make places of the figures. Return functions that handle a key and that tell the order, such as 312.
export function ranking(trial) {
  const { pictures, figures, layout } = trial;
  pictures.className = "pictures ranked";
  pictures.style.setProperty("--columns", layout.columns);
  Object.entries(figures).forEach(([role, figure]) => {
    const name = String.fromCharCode(64 + Number(role)), image = figure.querySelector("img");
    image.alt = "";
    const place = make("button", { type: "button", className: "place", onclick: () => take(trial, place), data: { role, name } }, image);
    place.setAttribute("aria-pressed", "false");
    place.onpointerdown = (event) => startDrag(trial, event, place);
    figure.prepend(place);
    namePlace(place, Number(role) - 1, Object.keys(figures).length);
  });
  return { key: (event) => rankKey(trial, event), order: () => places(trial).map((each) => each.dataset.role).join("") };
}

function namePlace(button, place, count) {
  button.setAttribute("aria-label", `${words.picture_of} ${button.dataset.name}: ${placeName(place, count)}`);
}

// Take up an image, or put the one taken up before on this place.
function take(trial, chosen) {
  if (performance.now() - lastDrag < 100) return;
  const taken = trial.pictures.querySelector(".place[aria-pressed=true]");
  places(trial).forEach((each) => each.setAttribute("aria-pressed", String(!taken && each === chosen)));
  if (taken && taken !== chosen) moveTo(trial, taken, places(trial).indexOf(chosen));
}

function moveTo(trial, chosen, place) {
  const all = places(trial), from = all.indexOf(chosen), figure = chosen.parentElement, target = all[place].parentElement;
  if (from === place || trial.over) return;
  figure.remove();
  if (from < place) target.after(figure); else target.before(figure);
  places(trial).forEach((each, k) => {
    each.nextElementSibling.textContent = placeName(k, all.length);
    namePlace(each, k, all.length);
  });
  trial.moved = true;
  trial.feedback.textContent = "";
  chosen.focus({ preventScroll: true });
  say(chosen.getAttribute("aria-label"));
}

let lastDrag = -1000; // a mouse clicks at the end of a drag

function startDrag(trial, event, chosen) {
  if (event.button !== 0) return;
  const start = { x: event.clientX, y: event.clientY };
  let dragged = false;
  const under = (at) => places(trial).find((each) => {
    const box = each.parentElement.getBoundingClientRect();
    return each !== chosen && at.clientX >= box.left && at.clientX <= box.right && at.clientY >= box.top && at.clientY <= box.bottom;
  });
  const move = (at) => {
    const by = { x: at.clientX - start.x, y: at.clientY - start.y };
    if (!dragged && Math.hypot(by.x, by.y) < 8) return;
    dragged = true;
    chosen.classList.add("dragged");
    chosen.style.transform = `translate(${Math.round(by.x)}px, ${Math.round(by.y)}px)`;
    places(trial).forEach((each) => each.classList.toggle("target", each === under(at)));
  };
  const end = (at) => {
    chosen.removeEventListener("pointermove", move);
    chosen.removeEventListener("pointerup", end);
    chosen.removeEventListener("pointercancel", end);
    chosen.classList.remove("dragged");
    chosen.style.transform = "";
    places(trial).forEach((each) => each.classList.remove("target"));
    if (!dragged) return;
    lastDrag = performance.now();
    const target = at.type === "pointerup" ? under(at) : undefined;
    if (target) moveTo(trial, chosen, places(trial).indexOf(target));
  };
  chosen.setPointerCapture(event.pointerId);
  chosen.addEventListener("pointermove", move);
  chosen.addEventListener("pointerup", end);
  chosen.addEventListener("pointercancel", end);
}

// Arrows and numbers move the image in focus.
function rankKey(trial, event) {
  const all = places(trial), place = all.indexOf(document.activeElement);
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  const number = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
  if (step === undefined && (number === null || number >= all.length)) return;
  event.preventDefault();
  if (place < 0) all[number ?? 0].focus();
  else moveTo(trial, all[place], number ?? Math.min(Math.max(place + step, 0), all.length - 1));
}
