/** The app: the page with a worker that colorizes on the reader's own device. */

import { messages } from "@page/messages.js";
import { WorkError } from "@page/failures.js";
import { Page } from "@page/page.js";
import { record } from "virtual:model";
import { WorkerColorizer } from "./colorizer";
import { storePage } from "./install";

const colorizer = new WorkerColorizer();
const page = new Page({
  colorizer,
  intro: "intro",
  formats: { "image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp" },
  parts: [],
  model: () => record,
});

async function reportLoading(): Promise<void> {
  const { photos, status } = page;
  status.say(() => messages.loading);
  try {
    const threads = await colorizer.loaded;
    if (photos.current === undefined) status.say(() => (threads ? messages.ready : messages.readyOneThread));
  } catch (error) {
    if (!(error instanceof WorkError)) throw error;
    status.say(() => messages.failures.model, true);
  }
}

void reportLoading()
  .then(() => page.idle()) // a photo that was chosen at once comes first
  .then(storePage);
