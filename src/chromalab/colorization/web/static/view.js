/** Small photos are enlarged to the frame, but no more than this. */

/** Zoom and position of a photo in its frame. */

/** @import { Point, Size, View } from "./types" */
const LARGEST_FIT = 8;
const LARGEST_SCALE = 16;

/**
 * Returns the scale at which the whole photo is visible.
 *
 * @param {Size} photo
 * @param {Size} frame
 */
export function fitScale(photo, frame) {
  return Math.min(LARGEST_FIT, frame.width / photo.width, frame.height / photo.height);
}

/**
 * @param {Size} photo
 * @param {Size} frame
 * @returns {View}
 */
export function fitted(photo, frame) {
  return placed({ scale: fitScale(photo, frame), x: 0, y: 0 }, photo, frame);
}

/**
 * Returns the view at another scale; the point of the frame keeps its place in the photo as far as possible.
 *
 * @param {View} view
 * @param {number} scale
 * @param {Point} point
 * @param {Size} photo
 * @param {Size} frame
 * @returns {View}
 */
export function zoomed(view, scale, point, photo, frame) {
  const lowest = fitScale(photo, frame);
  const limited = Math.min(Math.max(scale, lowest), Math.max(LARGEST_SCALE, lowest));
  const factor = limited / view.scale;
  const moved = { scale: limited, x: point.x - factor * (point.x - view.x), y: point.y - factor * (point.y - view.y) };
  return placed(moved, photo, frame);
}

/**
 * @param {View} view
 * @param {number} across
 * @param {number} down
 * @param {Size} photo
 * @param {Size} frame
 * @returns {View}
 */
export function moved(view, across, down, photo, frame) {
  return placed({ ...view, x: view.x + across, y: view.y + down }, photo, frame);
}

/**
 * Centers the photo along a side on which it is smaller than the frame, and else leaves no gap at the frame's edges.
 *
 * @param {View} source
 * @param {Size} photo
 * @param {Size} frame
 * @returns {View}
 */
function placed({ scale, x, y }, photo, frame) {
  return { scale, x: start(x, scale * photo.width, frame.width), y: start(y, scale * photo.height, frame.height) };
}

/**
 * @param {number} place
 * @param {number} length
 * @param {number} frame
 */
function start(place, length, frame) {
  if (length <= frame) return (frame - length) / 2;
  return Math.min(0, Math.max(frame - length, place));
}

/**
 * Returns the visible part of the photo's width, in pixels of the frame.
 *
 * @param {View} view
 * @param {Size} photo
 * @param {Size} frame
 */
export function visibleColumns(view, photo, frame) {
  return { left: Math.max(0, view.x), right: Math.min(frame.width, view.x + view.scale * photo.width) };
}

/**
 * Returns a point of the frame as shares of the photo's sides, or undefined outside the photo.
 *
 * @param {View} view
 * @param {Point} point
 * @param {Size} photo
 * @returns {Point | undefined}
 */
export function shareAt(view, point, photo) {
  const share = { x: (point.x - view.x) / (view.scale * photo.width), y: (point.y - view.y) / (view.scale * photo.height) };
  return share.x >= 0 && share.x < 1 && share.y >= 0 && share.y < 1 ? share : undefined;
}
