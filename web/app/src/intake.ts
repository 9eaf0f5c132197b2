/** Where photos come from: the file dialog, the camera, dropped and pasted files. */

import { element } from "./dom";

export function receivePhotos(add: (files: readonly File[]) => void): void {
  for (const input of [element<HTMLInputElement>("files"), element<HTMLInputElement>("camera")]) {
    input.addEventListener("change", () => {
      add([...(input.files ?? [])]);
      input.value = ""; // the same file can be chosen again
    });
  }
  element("intake").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("paste", (event) => add(filesOf(event.clipboardData)));
  receiveDrops(add);
}

function receiveDrops(add: (files: readonly File[]) => void): void {
  const mark = (over: boolean): void => void document.body.classList.toggle("over", over);
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

function filesOf(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])];
}
