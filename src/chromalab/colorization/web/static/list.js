/** The list of photos: a row for each, with its thumbnail, its state and a button that removes it. */

import { create, element, setText } from "./dom.js";
import { failureText, filled, messages, notesText } from "./messages.js";
/** @import { Photos } from "./photos.js" */
/** @import { ListActions, Photo } from "./types" */

export class PhotoList {
  #list = element("photos");
  /** @type {Map<Photo, Row>} */
  #rows = new Map();
  #photos;
  #actions;

  /**
   * @param {Photos} photos
   * @param {ListActions} actions
   */
  constructor(photos, actions) {
    this.#photos = photos;
    this.#actions = actions;
    element("clear").addEventListener("click", () => actions.clear());
    element("retry").addEventListener("click", () => actions.retry());
  }

  update() {
    for (const [photo, row] of this.#rows) if (!this.#photos.has(photo)) this.#drop(photo, row);
    for (const photo of this.#photos.items) this.#rowOf(photo).update(photo === this.#photos.current);
    const { items } = this.#photos;
    setText(element("counts"), filled(messages.counts, { done: this.#photos.colorized, total: items.length }));
    element("retry").hidden = !this.#photos.retryable;
    element("list").hidden = items.length === 0;
  }

  /** @param {Photo} photo */
  #rowOf(photo) {
    const known = this.#rows.get(photo);
    if (known !== undefined) return known;
    const row = new Row(photo, this.#actions);
    this.#rows.set(photo, row);
    this.#list.append(row.item);
    return row;
  }

  /**
   * @param {Photo} photo
   * @param {Row} row
   */
  #drop(photo, row) {
    const focused = row.item.contains(document.activeElement);
    const neighbor = row.item.nextElementSibling ?? row.item.previousElementSibling;
    row.dispose();
    this.#rows.delete(photo);
    if (focused) /** @type {HTMLElement} */ (neighbor?.querySelector(".remove") ?? element("files")).focus();
  }
}

class Row {
  /** @type {HTMLLIElement} */
  item;
  #image = create("img", { alt: "" });
  #state = create("small");
  #notes = create("small", { className: "notes" });
  #progress = create("progress", { max: 1 });
  /** @type {HTMLButtonElement} */
  #button;
  #removal = create("button", { type: "button", className: "remove", textContent: "×" });
  /** @type {Blob | undefined} */
  #shown;
  #photo;

  /**
   * @param {Photo} photo
   * @param {ListActions} actions
   */
  constructor(photo, actions) {
    this.#photo = photo;
    const name = create("span", { textContent: photo.file.name, className: "name" });
    this.#button = create("button", { type: "button", className: "photo" }, this.#image, create("span", {}, name, this.#state, this.#notes));
    this.item = create("li", {}, this.#button, this.#removal, this.#progress);
    this.#button.addEventListener("click", () => actions.open(photo));
    this.#removal.addEventListener("click", () => actions.remove(photo));
  }

  /** @param {boolean} current */
  update(current) {
    const { state, file, notes = [] } = this.#photo;
    this.#button.setAttribute("aria-current", String(current));
    this.#removal.ariaLabel = filled(messages.remove, { name: file.name });
    this.item.dataset["state"] = state.name;
    setText(this.#state, stateText(this.#photo));
    setText(this.#notes, notesText(notes));
    this.#progress.ariaLabel = file.name;
    this.#progress.hidden = state.name !== "working";
    if (state.name === "working" && state.share !== undefined) this.#progress.value = state.share;
    else this.#progress.removeAttribute("value");
    this.#showThumbnail();
  }

  dispose() {
    URL.revokeObjectURL(this.#image.src);
    this.item.remove();
  }

  #showThumbnail() {
    const { thumbnail } = this.#photo;
    if (thumbnail === undefined || thumbnail === this.#shown) return;
    this.#shown = thumbnail;
    URL.revokeObjectURL(this.#image.src);
    this.#image.src = URL.createObjectURL(thumbnail);
  }
}

/** @param {Photo} source */
function stateText({ state, file }) {
  if (state.name === "failed") return failureText(file.name, state);
  if (state.name === "working") return messages[state.stage];
  return state.name === "waiting" ? messages.waiting : messages.colorized;
}
