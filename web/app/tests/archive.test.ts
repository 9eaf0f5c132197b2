import { strFromU8, unzipSync } from "fflate";
import { expect, test } from "vitest";
import { crc32 } from "@page/crc32.js";
import { Archive, resultName, uniqueName } from "@page/archive.js";

test("an archive stores its files unchanged, also those larger than a piece", async () => {
  const large = new Uint8Array(9 << 20).map((_, index) => (index * 31) >> 3);
  const archive = new Archive();
  await archive.add("é.txt", new Blob(["one"]), 1_700_000_000_000);
  await archive.add("large.bin", new Blob([large]), 1_700_000_000_000);
  expect(archive.bytes).toBe(3 + large.length);
  const files = unzipSync(new Uint8Array(await archive.end().arrayBuffer()));
  expect(Object.keys(files)).toEqual(["é.txt", "large.bin"]);
  expect(strFromU8(files["é.txt"]!)).toBe("one");
  expect(Buffer.from(files["large.bin"]!).equals(Buffer.from(large))).toBe(true);
});

test("a checksum can be computed piece by piece", () => {
  const data = Uint8Array.from({ length: 1000 }, (_, index) => index * 7);
  expect(crc32(data.subarray(300), crc32(data.subarray(0, 300)))).toBe(crc32(data));
});

test("results are named after their photos", () => {
  expect(resultName("cup.of.tea.tiff", "colorized", "image/jpeg")).toBe("cup.of.tea.colorized.jpg");
  expect(resultName("scan.tif", "colorized", "image/tiff")).toBe("scan.colorized.tif");
  expect(resultName("cup", "colorized", "image/png")).toBe("cup.colorized.png");
  expect(resultName(".hidden", "colorized", "image/webp")).toBe(".hidden.colorized.webp");
});

test("equal names get numbers, also if only their case differs", () => {
  const taken = new Set<string>();
  expect(["a.jpg", "A.jpg", "a (2).jpg", "b"].map((name) => uniqueName(name, taken))).toEqual(["a.jpg", "A (2).jpg", "a (2) (2).jpg", "b"]);
  expect(uniqueName("b", taken)).toBe("b (2)");
});
