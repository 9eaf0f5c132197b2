/** Pointer gestures in a frame: taps, drags with one pointer, pinches with two, and the wheel. Points are relative to the frame. */

/** @import { GestureHandler, Point } from "./types" */



/** A pointer that moves less than this taps. */
export const TAP_PX = 5;
/** Change of the zoom's logarithm per pixel of the wheel; trackpads report pinches as wheels with the control key. */
const WHEEL = 0.0015;
const TRACKPAD = 0.01;
const LINE_PX = 16;

/**
 * Calls the handler for the gestures in the frame that no element inside it has handled.
 *
 * @param {HTMLElement} frame
 * @param {GestureHandler} handler
 */
export function handleGestures(frame, handler) {
  /** @type {Map<number, Point>} */
  const pointers = new Map();
  /** @type {Point | undefined} */
  let start;
  /** @param {MouseEvent} event */
  const place = ({ clientX, clientY }) => {
    const { left, top } = frame.getBoundingClientRect();
    return { x: clientX - left - frame.clientLeft, y: clientY - top - frame.clientTop };
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    start = pointers.size === 1 ? place(event) : undefined; // a second pointer makes it a pinch
  });
  frame.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const point = place(event);
    if (start !== undefined && distance(start, point) < TAP_PX) return;
    start = undefined;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, point);
    if (other === undefined) handler.drag(point, point.x - before.x, point.y - before.y);
    else pinch(handler, other, before, point);
  });
  frame.addEventListener("pointerup", (event) => {
    if (pointers.delete(event.pointerId) && start !== undefined) handler.tap(start);
    start = undefined;
  });
  frame.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    start = undefined;
  });
  frame.addEventListener("dblclick", (event) => handler.doubleTap(place(event)));
  frame.addEventListener("wheel", (event) => {
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX * event.deltaY : event.deltaY;
    const used = handler.zoom(place(event), Math.exp(-pixels * (event.ctrlKey ? TRACKPAD : WHEEL)));
    if (used || event.ctrlKey) event.preventDefault();
  });
}

/**
 * @param {GestureHandler} handler
 * @param {Point} other
 * @param {Point} before
 * @param {Point} now
 */
function pinch(handler, other, before, now) {
  const center = middle(other, now);
  const old = middle(other, before);
  handler.zoom(center, distance(other, now) / Math.max(1, distance(other, before)));
  handler.drag(center, center.x - old.x, center.y - old.y);
}

/**
 * @param {Point} one
 * @param {Point} other
 */
function distance(one, other) {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

/**
 * @param {Point} one
 * @param {Point} other
 * @returns {Point}
 */
function middle(one, other) {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
}
