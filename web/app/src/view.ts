/** Zoom and position of a photo in its frame: a pixel of the photo at x appears at `view.x + view.scale * x`. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface View extends Point {
  readonly scale: number;
}

/** Small photos are enlarged to the frame, but no more than this. */
const LARGEST_FIT = 8;
const LARGEST_SCALE = 16;

/** Returns the scale at which the whole photo is visible. */
export function fitScale(photo: Size, frame: Size): number {
  return Math.min(LARGEST_FIT, frame.width / photo.width, frame.height / photo.height);
}

export function fitted(photo: Size, frame: Size): View {
  return placed({ scale: fitScale(photo, frame), x: 0, y: 0 }, photo, frame);
}

/** Returns the view at another scale; the point of the frame keeps its place in the photo as far as possible. */
export function zoomed(view: View, scale: number, point: Point, photo: Size, frame: Size): View {
  const lowest = fitScale(photo, frame);
  const limited = Math.min(Math.max(scale, lowest), Math.max(LARGEST_SCALE, lowest));
  const factor = limited / view.scale;
  const moved = { scale: limited, x: point.x - factor * (point.x - view.x), y: point.y - factor * (point.y - view.y) };
  return placed(moved, photo, frame);
}

export function moved(view: View, across: number, down: number, photo: Size, frame: Size): View {
  return placed({ ...view, x: view.x + across, y: view.y + down }, photo, frame);
}

/** Centers the photo along a side on which it is smaller than the frame, and else leaves no gap at the frame's edges. */
function placed({ scale, x, y }: View, photo: Size, frame: Size): View {
  return { scale, x: start(x, scale * photo.width, frame.width), y: start(y, scale * photo.height, frame.height) };
}

function start(place: number, length: number, frame: number): number {
  if (length <= frame) return (frame - length) / 2;
  return Math.min(0, Math.max(frame - length, place));
}

/** Returns the visible part of the photo's width, in pixels of the frame. */
export function visibleColumns(view: View, photo: Size, frame: Size): { left: number; right: number } {
  return { left: Math.max(0, view.x), right: Math.min(frame.width, view.x + view.scale * photo.width) };
}

/** Returns a point of the frame as shares of the photo's sides, or undefined outside the photo. */
export function shareAt(view: View, point: Point, photo: Size): Point | undefined {
  const share = { x: (point.x - view.x) / (view.scale * photo.width), y: (point.y - view.y) / (view.scale * photo.height) };
  return share.x >= 0 && share.x < 1 && share.y >= 0 && share.y < 1 ? share : undefined;
}
