/** Downloads: the current photo, or all photos as a ZIP file. */

import { Archive, LARGEST_BYTES, resultName, uniqueName } from "./archive";
import { type Colorizer, WorkError } from "./colorizer";
import { element, setText } from "./dom";
import type { Job } from "./jobs";
import { recall, remember } from "./memory";
import { filled, messages } from "./messages";
import type { Photo, Photos } from "./photos";
import type { Format } from "./protocol";
import type { Status } from "./status";

/** The address of a download is given back after this time, in which the browser has begun to save it. */
const RELEASE_MS = 60_000;

/** A ZIP file that is being written. */
interface Collection {
  readonly format: Format;
  readonly remaining: Photo[];
  readonly total: number;
  readonly names: Set<string>;
  readonly failed: string[];
  saved: number;
  archive: Archive;
  part: number;
}

export class Saving {
  private readonly format = element<HTMLSelectElement>("format");
  private single: Photo | undefined;
  private collection: Collection | undefined;

  constructor(
    private readonly photos: Photos,
    private readonly colorizer: Colorizer,
    private readonly status: Status,
    private readonly refresh: () => void,
  ) {
    const remembered = recall("format");
    if ([...this.format.options].some(({ value }) => value === remembered)) this.format.value = remembered!;
    this.format.addEventListener("change", () => remember("format", this.format.value));
    element("download").addEventListener("click", () => this.saveCurrent());
    element("download-all").addEventListener("click", () => this.saveAll());
    element("cancel").addEventListener("click", () => this.cancel());
    element("controls").addEventListener("submit", (event) => event.preventDefault());
  }

  update(): void {
    const { current, items } = this.photos;
    const { collection } = this;
    const busy = collection !== undefined || this.single !== undefined;
    element<HTMLFieldSetElement>("saving").disabled = busy || items.length === this.photos.failed;
    element<HTMLButtonElement>("download").disabled = current === undefined || current.thumbnail === undefined;
    element("download-all").hidden = items.length < 2;
    element("archive").hidden = collection === undefined;
    if (collection === undefined) return;
    const done = collection.total - collection.remaining.length;
    setText(element("archive-count"), filled(messages.archiving, { done, total: collection.total }));
    Object.assign(element("archive-progress"), { max: collection.total, value: done });
  }

  job(): Job | undefined {
    const { single, collection } = this;
    if (single !== undefined) return () => this.write(single);
    return collection === undefined ? undefined : () => this.collect(collection);
  }

  private saveCurrent(): void {
    this.single = this.photos.current;
    this.status.say(() => messages.encoding);
    this.refresh();
  }

  private saveAll(): void {
    const remaining = this.photos.items.filter(({ state }) => state.name !== "failed");
    const format = this.format.value as Format;
    const names = new Set<string>();
    this.collection = { format, remaining, names, total: remaining.length, failed: [], saved: 0, archive: new Archive(), part: 1 };
    this.update();
    element("cancel").focus();
    this.refresh();
  }

  private cancel(): void {
    this.collection = undefined;
    this.status.say(() => messages.canceled);
    this.restoreFocus("download-all");
    this.refresh();
  }

  private async write(photo: Photo): Promise<void> {
    const format = this.format.value as Format;
    try {
      const file = await this.encoded(photo, format);
      const name = resultName(photo.file.name, messages.suffix, format);
      download(file, name);
      this.status.say(() => filled(messages.saved, { name }));
    } catch (error) {
      if (!(error instanceof WorkError)) throw error;
      const values = { name: photo.file.name, detail: error.detail };
      this.status.say(() => filled(messages.failures[error.failure], values), true);
    }
    this.single = undefined;
    this.restoreFocus("download");
    this.refresh();
  }

  /** Gives the focus back to a button, if it was lost because the button was disabled meanwhile. */
  private restoreFocus(id: string): void {
    this.update();
    if ([document.body, element("cancel")].includes(document.activeElement as HTMLElement)) element(id).focus();
  }

  /** Adds the next photo to the ZIP file, or ends it. */
  private async collect(collection: Collection): Promise<void> {
    const photo = collection.remaining[0];
    if (photo === undefined) this.finish(collection);
    else if (this.photos.has(photo)) await this.append(photo, collection);
    collection.remaining.shift();
    this.refresh();
  }

  private async append(photo: Photo, collection: Collection): Promise<void> {
    try {
      const file = await this.encoded(photo, collection.format);
      if (this.collection !== collection) return; // it was canceled meanwhile
      if (collection.archive.bytes + file.size > LARGEST_BYTES) this.finishPart(collection);
      const name = uniqueName(resultName(photo.file.name, messages.suffix, collection.format), collection.names);
      await collection.archive.add(name, file, photo.file.lastModified);
      collection.saved++;
    } catch (error) {
      if (!(error instanceof WorkError)) throw error;
      collection.failed.push(photo.file.name);
    }
  }

  private finishPart(collection: Collection): string {
    const name = `${messages.suffix}${collection.part > 1 ? `-${collection.part}` : ""}.zip`;
    if (collection.archive.count > 0) download(collection.archive.end(), name);
    collection.part++;
    collection.archive = new Archive();
    return name;
  }

  private finish(collection: Collection): void {
    const values = { name: this.finishPart(collection), count: collection.saved, names: collection.failed.join(", ") };
    const bad = collection.failed.length > 0;
    this.status.say(() => filled(bad ? messages.savedPart : messages.savedAll, values), bad);
    this.collection = undefined;
    this.restoreFocus("download-all");
  }

  private async encoded(photo: Photo, format: Format): Promise<Blob> {
    const { number, file, options } = photo;
    const before = photo.state;
    try {
      const result = await this.colorizer.run<"encode">({ type: "encode", format, photo: number, file, options }, (stage, share) => {
        photo.state = { name: "working", stage, share };
        this.refresh();
      });
      return result.file;
    } finally {
      photo.state = before;
    }
  }
}

function download(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
}
