/** The page: creates its parts and keeps them in step. The app and `chromalab serve` differ in what colorizes, the back end. */

import { create, element, setText } from "./dom.js";
import { Editor } from "./editor.js";
import { HintEditor } from "./hints.js";
import { receivePhotos } from "./intake.js";
import { Scheduler } from "./jobs.js";
import { PhotoList } from "./list.js";
import { chooseLanguage, failureText, filled, language, LANGUAGES, messages, translate } from "./messages.js";
import { Photos } from "./photos.js";
import { Previews } from "./previews.js";
import { Saving } from "./saving.js";
import { Settings } from "./settings.js";
import { Status } from "./status.js";
import { Viewer } from "./viewer.js";
/** @import { BackEnd, Photo } from "./types" */

export class Page {
  photos = new Photos();
  status = new Status();
  #backEnd;
  #editor;
  #parts;
  #scheduler;
  #scheduled = false;

  /** @param {BackEnd} backEnd */
  constructor(backEnd) {
    this.#backEnd = backEnd;
    const { photos, status } = this;
    const { colorizer } = backEnd;
    const refresh = () => this.refresh();
    const viewer = new Viewer();
    const editor = (this.#editor = new Editor(photos, colorizer, viewer, status, refresh));
    const previews = new Previews(photos, colorizer, status, refresh);
    const saving = new Saving(photos, backEnd, status, refresh);
    const hints = new HintEditor(photos, editor, viewer, status);
    const list = new PhotoList(photos, {
      open: (photo) => this.#open(photo),
      remove: (photo) => this.#remove(photo),
      clear: () => this.#clear(),
      retry: () => this.#retry(),
    });
    this.#parts = [list, new Settings(photos, editor, refresh), hints, saving, editor, status, ...backEnd.parts];
    this.#scheduler = new Scheduler([() => editor.job(), () => saving.job(), () => previews.job()]);
    viewer.onMove = () => {
      hints.moveMarkers();
      editor.update();
      this.#scheduler.wake(); // a larger scale may need more pixels
    };
    this.#bind();
  }

  #bind() {
    element("intro").dataset["message"] = this.#backEnd.intro;
    offerLanguages(() => {
      translate(document);
      this.refresh();
    });
    receivePhotos((files) => {
      const [first] = this.photos.add(files);
      if (first !== undefined) this.#open(first);
    });
    element("previous").addEventListener("click", () => this.#step(-1));
    element("next").addEventListener("click", () => this.#step(1));
  }

  /** Is fulfilled when no work runs or waits. */
  idle() {
    return this.#scheduler.idle();
  }

  /** Colorizes all photos again, because the network has changed. */
  renew() {
    this.photos.renew();
    this.#editor.change({});
  }

  /** Shows the present state of the photos, once for all changes of a turn, and starts the work that is due. */
  refresh() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#update();
      this.#scheduler.wake();
    });
  }

  #update() {
    const { photos } = this;
    const { current, items } = photos;
    document.body.classList.toggle("empty", items.length === 0);
    for (const part of this.#parts) part.update();
    element("previous", HTMLButtonElement).disabled = photos.neighbor(-1) === undefined;
    element("next", HTMLButtonElement).disabled = photos.neighbor(1) === undefined;
    element("previous").hidden = element("next").hidden = items.length < 2;
    setText(element("problem"), current?.state.name === "failed" ? failureText(current.file.name, current.state) : "");
    const { name, license, title, notice, failures } = this.#backEnd.model();
    setText(element("license"), filled(messages.license, { name, license: license ?? "" }));
    setText(element("model"), [title, notice, failures].filter(Boolean).join(" "));
  }

  /** @param {Photo} photo */
  #open(photo) {
    this.photos.retry([photo]);
    this.photos.current = photo;
    this.#editor.open();
    this.refresh();
  }

  /** @param {Photo} photo */
  #remove(photo) {
    this.photos.remove(photo);
    this.#editor.open();
    this.refresh();
  }

  #retry() {
    this.photos.retry(this.photos.items);
    this.refresh();
    element("photos").querySelector("button")?.focus(); // the button that had the focus is hidden
  }

  #clear() {
    this.photos.clear();
    this.#editor.open();
    this.refresh();
    element("files").focus();
  }

  /** @param {number} by */
  #step(by) {
    const photo = this.photos.neighbor(by);
    if (photo !== undefined) this.#open(photo);
  }
}

/**
 * Calls a function for the reader's language, and again for every other one that is chosen.
 *
 * @param {() => void} show
 */
function offerLanguages(show) {
  const select = element("language", HTMLSelectElement);
  for (const [tag, [name]] of Object.entries(LANGUAGES)) select.append(create("option", { value: tag, textContent: name, lang: tag }));
  select.value = language;
  select.addEventListener("change", () => {
    chooseLanguage(select.value);
    show();
  });
  show();
}
