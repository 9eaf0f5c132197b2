/** The queue: every photo is colorized for its thumbnail, one after the other; broken files do not stop it. */

import { type Colorizer, WorkError } from "./colorizer";
import type { Job } from "./jobs";
import { filled, messages } from "./messages";
import type { Photo, Photos } from "./photos";
import type { Status } from "./status";

export class Previews {
  constructor(
    private readonly photos: Photos,
    private readonly colorizer: Colorizer,
    private readonly status: Status,
    private readonly refresh: () => void,
  ) {}

  job(): Job | undefined {
    const photo = this.photos.waiting();
    return photo === undefined ? undefined : () => this.colorize(photo);
  }

  private async colorize(photo: Photo): Promise<void> {
    const { options, file, number } = photo;
    try {
      const { thumbnail } = await this.colorizer.run<"preview">({ type: "preview", photo: number, file, options }, (stage, share) => {
        photo.state = { name: "working", stage, share };
        this.refresh();
      });
      photo.thumbnail = thumbnail;
      photo.state = { name: options === photo.options ? "done" : "waiting" };
    } catch (error) {
      if (!(error instanceof WorkError)) throw error;
      photo.state = { name: "failed", failure: error.failure, detail: error.detail };
    }
    if (this.photos.waiting() === undefined) this.report();
    this.refresh();
  }

  private report(): void {
    const counts = { done: this.photos.colorized, failed: this.photos.failed };
    this.status.say(() => filled(counts.failed > 0 ? messages.someFailed : messages.allDone, counts), counts.failed > 0);
  }
}
