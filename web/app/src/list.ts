/** The list of photos: a row for each, with its thumbnail, its state and a button that removes it. */

import { create, element, setText } from "./dom";
import { filled, messages } from "./messages";
import type { Photo, Photos } from "./photos";

export interface ListActions {
  open(photo: Photo): void;
  remove(photo: Photo): void;
  clear(): void;
}

export class PhotoList {
  private readonly list = element("photos");
  private readonly rows = new Map<Photo, Row>();

  constructor(
    private readonly photos: Photos,
    private readonly actions: ListActions,
  ) {
    element("clear").addEventListener("click", () => actions.clear());
  }

  update(): void {
    for (const [photo, row] of this.rows) if (!this.photos.has(photo)) this.drop(photo, row);
    for (const photo of this.photos.items) this.rowOf(photo).update(photo === this.photos.current);
    const { items } = this.photos;
    setText(element("counts"), filled(messages.counts, { done: this.photos.colorized, total: items.length }));
    element("list").hidden = items.length === 0;
  }

  private rowOf(photo: Photo): Row {
    const known = this.rows.get(photo);
    if (known !== undefined) return known;
    const row = new Row(photo, this.actions);
    this.rows.set(photo, row);
    this.list.append(row.item);
    return row;
  }

  private drop(photo: Photo, row: Row): void {
    const focused = row.item.contains(document.activeElement);
    const neighbor = row.item.nextElementSibling ?? row.item.previousElementSibling;
    row.dispose();
    this.rows.delete(photo);
    if (focused) (neighbor?.querySelector<HTMLElement>(".remove") ?? element("files")).focus();
  }
}

class Row {
  readonly item: HTMLLIElement;
  private readonly image = create("img", { alt: "" });
  private readonly state = create("small");
  private readonly progress = create("progress", { max: 1 });
  private readonly button: HTMLButtonElement;
  private readonly removal = create("button", { type: "button", className: "remove", textContent: "×" });
  private shown: Blob | undefined;

  constructor(
    private readonly photo: Photo,
    actions: ListActions,
  ) {
    const name = create("span", { textContent: photo.file.name, className: "name" });
    this.button = create("button", { type: "button", className: "photo" }, this.image, create("span", {}, name, this.state));
    this.item = create("li", {}, this.button, this.removal, this.progress);
    this.button.addEventListener("click", () => actions.open(photo));
    this.removal.addEventListener("click", () => actions.remove(photo));
  }

  update(current: boolean): void {
    const { state, file } = this.photo;
    this.button.setAttribute("aria-current", String(current));
    this.removal.ariaLabel = filled(messages.remove, { name: file.name });
    this.item.dataset["state"] = state.name;
    setText(this.state, stateText(this.photo));
    this.progress.ariaLabel = file.name;
    this.progress.hidden = state.name !== "working";
    if (state.name === "working") this.progress.value = state.share;
    this.showThumbnail();
  }

  dispose(): void {
    URL.revokeObjectURL(this.image.src);
    this.item.remove();
  }

  private showThumbnail(): void {
    const { thumbnail } = this.photo;
    if (thumbnail === undefined || thumbnail === this.shown) return;
    this.shown = thumbnail;
    URL.revokeObjectURL(this.image.src);
    this.image.src = URL.createObjectURL(thumbnail);
  }
}

function stateText({ state, file }: Photo): string {
  if (state.name === "failed") return filled(messages.failures[state.failure], { name: file.name, detail: state.detail });
  if (state.name === "working") return messages[state.stage];
  return state.name === "waiting" ? messages.waiting : messages.colorized;
}
