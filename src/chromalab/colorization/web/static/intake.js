/** Where photos come from: the file dialog, the camera, dropped and pasted files. */

import { element } from "./dom.js";

/** @param {(files: readonly File[]) => void} add */
export function receivePhotos(add) {
  for (const input of [element("files", HTMLInputElement), element("camera", HTMLInputElement)]) {
    input.addEventListener("change", () => {
      add([...(input.files ?? [])]);
      input.value = ""; // the same file can be chosen again
    });
  }
  element("intake").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("paste", (event) => add(filesOf(event.clipboardData)));
  receiveDrops(add);
}

/** @param {(files: readonly File[]) => void} add */
function receiveDrops(add) {
  /** @param {boolean} over */
  const mark = (over) => void document.body.classList.toggle("over", over);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(event.dataTransfer?.types.includes("Files") ?? false);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    add(filesOf(event.dataTransfer));
  });
}

/** @param {DataTransfer | null} transfer */
function filesOf(transfer) {
  return [...(transfer?.files ?? [])];
}
