import { describe, expect, it } from "vitest";
import { scan } from "../src/vips";

const MAX_PIXELS = 1e6;
const [SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, KIND, PLACES, SAMPLES, SIZES, PLANAR, BELOW, INKS, EXTRA] = [
  254, 256, 257, 258, 259, 262, 273, 277, 279, 284, 330, 332, 338,
];
const [GRAY, RGB, YCBCR, CIELAB] = [1, 2, 6, 8];

type Tags = Readonly<Record<number, number[]>>;

/** Returns an uncompressed TIFF file; each page is a row of 8-bit pixels. */
function tiff(pages: readonly { readonly tags: Tags; readonly planes: readonly number[][] }[], big = false): Uint8Array {
  const [word, head, entry, inline] = big ? [8, 8, 20, 12] : [4, 2, 12, 8];
  const view = new DataView(new ArrayBuffer(4096));
  const number = (place: number, value: number): void => (big ? view.setBigUint64(place, BigInt(value)) : view.setUint32(place, value));
  view.setUint32(0, big ? 0x4d4d002b : 0x4d4d002a);
  if (big) view.setUint32(4, 0x00080000);
  let [link, place] = big ? [8, 16] : [4, 8];
  for (const { tags, planes } of pages) {
    const samples = tags[SAMPLES]![0]!;
    const width = planes.length === 1 ? planes[0]!.length / samples : planes[0]!.length;
    const places = planes.map((plane) => {
      new Uint8Array(view.buffer).set(plane, place);
      return (place += plane.length) - plane.length;
    });
    const all: Record<number, number[]> = {
      [WIDTH]: [width],
      [HEIGHT]: [1],
      [BITS]: new Array<number>(samples).fill(8),
      [COMPRESSION]: [1],
      [PLACES]: places,
      [SIZES]: planes.map((plane) => plane.length),
      ...tags,
    };
    const entries = Object.entries(all);
    const directory = (place += place % 2);
    let values = directory + head + entries.length * entry + word;
    number(link, directory);
    if (big) number(directory, entries.length);
    else view.setUint16(directory, entries.length);
    entries.forEach(([tag, numbers], index) => {
      const at = directory + head + index * entry;
      view.setUint16(at, Number(tag));
      view.setUint16(at + 2, 3);
      number(at + 4, numbers.length);
      let here = at + inline;
      if (2 * numbers.length > word) {
        number(here, values);
        here = values;
        values += 2 * numbers.length;
      }
      numbers.forEach((value, position) => view.setUint16(here + 2 * position, value));
    });
    link = directory + head + entries.length * entry;
    place = values;
  }
  return new Uint8Array(view.buffer.slice(0, place));
}

function page(kind: number, samples: number, pixels: number[], tags: Tags = {}): { tags: Tags; planes: number[][] } {
  return { tags: { [KIND]: [kind], [SAMPLES]: [samples], ...tags }, planes: [pixels] };
}

const INFRARED = [10, 10, 10, 200, 90, 90, 90, 0, 250, 250, 250, 7];
const GRAYS = [10, 90, 250];

describe("the pages of TIFF files", () => {
  it.each([false, true])("that are reduced copies are skipped (BigTIFF: %s)", async (big) => {
    const thumbnail = page(GRAY, 1, [1, 2], { [SUBFILE]: [1] });
    const { levels, pages } = await scan(tiff([thumbnail, page(GRAY, 1, GRAYS), thumbnail], big), MAX_PIXELS);
    expect([...levels]).toEqual(GRAYS);
    expect(pages).toBe(1);
  });

  it("are counted", async () => {
    expect(await scan(tiff([page(GRAY, 1, GRAYS), page(GRAY, 1, [1, 2])]), MAX_PIXELS)).toMatchObject({ width: 3, pages: 2 });
  });

  it("that are reduced copies are read if there is nothing else, and refused if the photo lies below them", async () => {
    const reduced = { [SUBFILE]: [1] };
    expect([...(await scan(tiff([page(GRAY, 1, GRAYS, reduced)]), MAX_PIXELS)).levels]).toEqual(GRAYS);
    await expect(scan(tiff([page(GRAY, 1, GRAYS, { ...reduced, [BELOW]: [8] })]), MAX_PIXELS)).rejects.toMatchObject({ failure: "unreadable" });
  });
});

describe("further channels of TIFF files", () => {
  it.each([{ [EXTRA]: [0] }, {}])("without a stated meaning are left out with a note: %j", async (tags) => {
    const { levels, alpha, leftOut } = await scan(tiff([page(RGB, 4, INFRARED, tags)]), MAX_PIXELS);
    expect([[...levels], alpha, leftOut]).toEqual([GRAYS, undefined, true]);
  });

  it("that are transparency are kept, wherever they are", async () => {
    const { levels, alpha, leftOut } = await scan(tiff([page(RGB, 4, INFRARED, { [EXTRA]: [2] })]), MAX_PIXELS);
    expect([[...levels], [...alpha!], leftOut]).toEqual([GRAYS, [200, 0, 7], false]);
    const second = await scan(tiff([page(RGB, 5, [10, 10, 10, 1, 200, 90, 90, 90, 2, 0], { [EXTRA]: [0, 2] })]), MAX_PIXELS);
    expect([[...second.levels], [...second.alpha!], second.leftOut]).toEqual([[10, 90], [200, 0], true]);
  });

  it("beside gray are left out, but not two of them, one of which may be the photo", async () => {
    const { levels, alpha, leftOut } = await scan(tiff([page(GRAY, 2, [10, 200, 90, 0])]), MAX_PIXELS);
    expect([[...levels], alpha, leftOut]).toEqual([[10, 90], undefined, true]);
    await expect(scan(tiff([page(GRAY, 3, [10, 200, 1, 90, 0, 2])]), MAX_PIXELS)).rejects.toMatchObject({ failure: "unreadable" });
  });
});

describe("TIFF files that libvips reads wrongly without help are refused:", () => {
  const planes = { tags: { [KIND]: [GRAY], [SAMPLES]: [2], [PLANAR]: [2], [EXTRA]: [2] }, planes: [GRAYS, [0, 128, 255]] };
  it.each([
    ["YCbCr", tiff([page(YCBCR, 3, [10, 128, 128, 90, 128, 128], { 530: [1, 1] })])],
    ["CIELAB", tiff([page(CIELAB, 3, [10, 0, 0, 90, 0, 0])])],
    ["channels that are stored one by one, with transparency", tiff([planes])],
    ["inks other than CMYK", tiff([page(5, 4, [1, 2, 3, 4], { [INKS]: [2] })])],
    ["a camera's raw file", tiff([page(RGB, 3, [1, 2, 3], { 50706: [1, 4] })])],
    ["a cut-off directory", tiff([page(RGB, 3, [1, 2, 3])]).subarray(0, 40)],
  ])("%s", async (_, file) => {
    await expect(scan(file, MAX_PIXELS)).rejects.toMatchObject({ failure: "unreadable" });
  });
});
