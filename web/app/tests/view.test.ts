import { expect, test } from "vitest";
import { fitted, fitScale, moved, shareAt, visibleColumns, zoomed } from "@page/view.js";

const FRAME = { width: 800, height: 600 };
const WIDE = { width: 1600, height: 600 };

test("the fitted photo is centered and touches the frame at two sides", () => {
  expect(fitted(WIDE, FRAME)).toEqual({ scale: 0.5, x: 0, y: 150 });
  expect(visibleColumns(fitted({ width: 600, height: 1200 }, FRAME), { width: 600, height: 1200 }, FRAME)).toEqual({ left: 250, right: 550 });
});

test("a tiny photo is enlarged no more than eight times", () => {
  expect(fitScale({ width: 1, height: 1 }, FRAME)).toBe(8);
});

test("zooming keeps the point under the pointer", () => {
  const point = { x: 200, y: 310 };
  const before = fitted(WIDE, FRAME);
  const after = zoomed(before, 2, point, WIDE, FRAME);
  expect(after.scale).toBe(2);
  const share = shareAt(before, point, WIDE)!;
  expect(shareAt(after, point, WIDE)!.x).toBeCloseTo(share.x, 12);
  expect(shareAt(after, point, WIDE)!.y).toBeCloseTo(share.y, 12);
});

test("zoom is limited to the fitted photo and to sixteen times its pixels", () => {
  const view = fitted(WIDE, FRAME);
  expect(zoomed(view, 0.01, { x: 0, y: 0 }, WIDE, FRAME)).toEqual(view);
  expect(zoomed(view, 1000, { x: 0, y: 0 }, WIDE, FRAME).scale).toBe(16);
});

test("a moved photo leaves no gap at the frame's edges", () => {
  const view = zoomed(fitted(WIDE, FRAME), 1, { x: 0, y: 300 }, WIDE, FRAME);
  expect(moved(view, 5000, 0, WIDE, FRAME)).toEqual({ scale: 1, x: 0, y: 0 });
  expect(moved(view, -5000, 0, WIDE, FRAME)).toEqual({ scale: 1, x: -800, y: 0 });
});

test("a point beside the photo has no place in it", () => {
  expect(shareAt(fitted(WIDE, FRAME), { x: 400, y: 100 }, WIDE)).toBeUndefined();
});
