import { expect, test } from "vitest";
import { Scheduler } from "@page/jobs.js";
import { Photos } from "@page/photos.js";
import type { Job } from "@page/types";

const files = (count: number): File[] => Array.from({ length: count }, (_, index) => new File([], `${index}.jpg`));

/** Returns a source that gives each job once. */
function source(jobs: Job[]): () => Job | undefined {
  return () => jobs.shift();
}

test("jobs run one after the other, and those of the first source come first", async () => {
  const order: string[] = [];
  const urgent: Job[] = [];
  const plain = ["a", "b", "c"].map((name) => async (): Promise<void> => {
    order.push(`${name} begins`);
    if (name === "a") urgent.push(async () => void order.push("urgent"));
    await Promise.resolve();
    order.push(`${name} ends`);
  });
  const scheduler = new Scheduler([source(urgent), source(plain)]);
  scheduler.wake();
  scheduler.wake(); // starts no second job beside the first
  await scheduler.idle();
  expect(order).toEqual(["a begins", "a ends", "urgent", "b begins", "b ends", "c begins", "c ends"]);
});

test("the scheduler works again after it has run out of jobs", async () => {
  let done = 0;
  const jobs: Job[] = [async () => void done++];
  const scheduler = new Scheduler([source(jobs)]);
  await scheduler.idle();
  scheduler.wake();
  await scheduler.idle();
  jobs.push(async () => void done++);
  scheduler.wake();
  await scheduler.idle();
  expect(done).toBe(2);
});

test("photos keep their order, and the neighbor of a removed photo becomes the current one", () => {
  const photos = new Photos();
  const [first, second, third] = photos.add(files(3));
  photos.current = second;
  expect([photos.neighbor(-1), photos.neighbor(1)]).toEqual([first, third]);
  photos.remove(second!);
  expect(photos.current).toBe(third);
  photos.remove(third!);
  expect(photos.current).toBe(first);
  photos.remove(first!);
  expect(photos.current).toBeUndefined();
});

test("the queue goes on behind failed photos", () => {
  const photos = new Photos();
  const [first, second] = photos.add(files(2));
  first!.state = { name: "failed", failure: "unreadable", detail: "" };
  expect(photos.waiting()).toBe(second);
  Object.assign(second!, { state: { name: "done" }, thumbnail: new Blob() });
  expect(photos.waiting()).toBeUndefined();
  expect([photos.colorized, photos.failed]).toEqual([1, 1]);
});

test("a photo waits again after work on it, unless its thumbnail shows its present settings", () => {
  const photos = new Photos();
  const [first, second] = photos.add(files(2));
  photos.settle(second!);
  expect(second!.state.name).toBe("waiting");
  Object.assign(second!, { thumbnail: new Blob(), shown: second!.options });
  photos.settle(second!);
  expect(second!.state.name).toBe("done");
  photos.renew(); // while the photo is written, for example
  photos.settle(second!);
  expect(second!.state.name).toBe("waiting");
  photos.current = second; // the viewer renders it
  photos.settle(second!);
  expect(second!.state.name).toBe("done");
  photos.current = first;
  photos.settle(first!);
  expect(first!.state.name).toBe("waiting");
});

test("all photos wait again with another network, and their present work is outdated", () => {
  const photos = new Photos();
  const [first, second] = photos.add(files(2));
  first!.state = { name: "done" };
  second!.state = { name: "failed", failure: "server", detail: "" };
  const before = first!.options;
  photos.renew();
  expect(photos.items.map(({ state }) => state.name)).toEqual(["waiting", "waiting"]);
  expect(first!.options).toEqual(before);
  expect(first!.options).not.toBe(before);
});

test("settings for all photos keep each photo's hints, and changed photos are colorized again", () => {
  const photos = new Photos();
  const [first, second, third] = photos.add(files(3));
  const hints = [{ x: 0.5, y: 0.5, color: "#ff0000" }];
  first!.options = { saturation: 2, warmth: 3, hints: [] };
  second!.options = { saturation: 1, warmth: 0, hints };
  for (const photo of photos.items) photo.state = { name: "done" };
  third!.options = { saturation: 2, warmth: 3, hints };
  photos.applyToAll(first!);
  expect(second!.options).toEqual({ saturation: 2, warmth: 3, hints });
  expect(photos.items.map(({ state }) => state.name)).toEqual(["done", "waiting", "done"]);
});

test("photos wait again after failures that may have passed, with their known colors", () => {
  const photos = new Photos();
  const failures = ["server", "unfinished", "moved", "memory", "unexpected", "unreadable", "tooLarge", "refused", "model"] as const;
  const added = photos.add(files(failures.length));
  added.forEach((photo, index) => (photo.state = { name: "failed", failure: failures[index]!, detail: "" }));
  const options = { saturation: 1, warmth: 0, hints: [{ x: 0.5, y: 0.5, color: "#ff0000" }] };
  added[0]!.options = options;
  expect(photos.retryable).toBe(true);
  photos.retry([added[1]!]);
  expect(photos.waiting()).toBe(added[1]);
  photos.retry(photos.items);
  expect(added.map(({ state }) => state.name)).toEqual([...Array<string>(5).fill("waiting"), ...Array<string>(4).fill("failed")]);
  expect(photos.retryable).toBe(false);
  expect(added[0]!.options).toBe(options);
});
