/** The page: creates its parts and keeps them in step. */

import { record } from "virtual:model";
import { Colorizer, WorkError } from "./colorizer";
import { create, element, setText } from "./dom";
import { Editor } from "./editor";
import { HintEditor } from "./hints";
import { storePage } from "./install";
import { receivePhotos } from "./intake";
import { Scheduler } from "./jobs";
import { PhotoList } from "./list";
import { chooseLanguage, filled, language, LANGUAGES, messages, translate } from "./messages";
import { type Photo, Photos } from "./photos";
import { Previews } from "./previews";
import { Saving } from "./saving";
import { Settings } from "./settings";
import { Status } from "./status";
import { Viewer } from "./viewer";

const photos = new Photos();
const status = new Status();
const colorizer = new Colorizer();
const viewer = new Viewer();
const editor = new Editor(photos, colorizer, viewer, status, refresh);
const previews = new Previews(photos, colorizer, status, refresh);
const saving = new Saving(photos, colorizer, status, refresh);
const settings = new Settings(photos, editor, refresh);
const hints = new HintEditor(photos, editor, viewer, status);
const list = new PhotoList(photos, { open, remove, clear });
const scheduler = new Scheduler([() => editor.job(), () => saving.job(), () => previews.job()]);
let scheduled = false;

viewer.onMove = (): void => {
  hints.moveMarkers();
  editor.update();
  scheduler.wake(); // a larger scale may need more pixels
};

/** Brings the page in step with the photos, once for all changes of a turn, and goes on with the work. */
function refresh(): void {
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    update();
    scheduler.wake();
  });
}

function update(): void {
  const { current, items } = photos;
  document.body.classList.toggle("empty", items.length === 0);
  for (const part of [list, settings, hints, saving, editor, status]) part.update();
  element<HTMLButtonElement>("previous").disabled = photos.neighbor(-1) === undefined;
  element<HTMLButtonElement>("next").disabled = photos.neighbor(1) === undefined;
  element("previous").hidden = element("next").hidden = items.length < 2;
  setText(element("problem"), current === undefined ? "" : problemOf(current));
}

function problemOf({ state, file }: Photo): string {
  return state.name === "failed" ? filled(messages.failures[state.failure], { name: file.name, detail: state.detail }) : "";
}

function add(files: readonly File[]): void {
  const [first] = photos.add(files);
  if (first !== undefined) open(first);
}

function open(photo: Photo): void {
  photos.current = photo;
  editor.open();
  refresh();
}

function remove(photo: Photo): void {
  photos.remove(photo);
  editor.open();
  refresh();
}

function clear(): void {
  photos.clear();
  editor.open();
  refresh();
  element("files").focus();
}

function showLanguage(): void {
  translate(document);
  setText(element("license"), filled(messages.license, { name: record.name, license: record.license ?? "" }));
  setText(element("model"), [record.title, record.notice, record.failures].filter(Boolean).join(" "));
  refresh();
}

function offerLanguages(): void {
  const select = element<HTMLSelectElement>("language");
  for (const [tag, [name]] of Object.entries(LANGUAGES)) select.append(create("option", { value: tag, textContent: name, lang: tag }));
  select.value = language;
  select.addEventListener("change", () => {
    chooseLanguage(select.value);
    showLanguage();
  });
}

function step(by: number): void {
  const photo = photos.neighbor(by);
  if (photo !== undefined) open(photo);
}

async function reportLoading(): Promise<void> {
  status.say(() => messages.loading);
  try {
    const threads = await colorizer.loaded;
    if (photos.current === undefined) status.say(() => (threads ? messages.ready : messages.readyOneThread));
  } catch (error) {
    if (!(error instanceof WorkError)) throw error;
    status.say(() => messages.failures.model, true);
  }
}

offerLanguages();
showLanguage();
receivePhotos(add);
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
void reportLoading()
  .then(() => scheduler.idle()) // a photo that was chosen at once comes first
  .then(storePage);
