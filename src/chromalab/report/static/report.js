// The page works without this script, which adds the variant buttons and the viewer for single images.
"use strict";

(() => {
  const grid = document.getElementById("pictures");
  const viewer = document.getElementById("lightbox");
  const image = document.getElementById("viewer-image");
  const methods = document.getElementById("viewer-methods");
  const rows = grid ? [...grid.querySelectorAll("tr.photo")] : [];
  const chosen = { row: 0, method: "" };

  /** The images of a row that are visible now, in column order. */
  const shown = (row) => [...row.querySelectorAll(".zoom:not([hidden])")];
  const methodOf = (button) => button.closest("td").dataset.method;

  function showVariant(key) {
    for (const button of grid.querySelectorAll(".zoom[data-variant]:not([data-variant=''])")) {
      button.hidden = button.dataset.variant !== key;
    }
    for (const button of document.querySelectorAll("[data-variant-button]")) {
      button.setAttribute("aria-pressed", String(button.dataset.variantButton === key));
    }
  }

  /** Show the chosen method of the chosen photo, or the photo's first image if that method has none. */
  function paint() {
    const row = rows[chosen.row];
    const pictures = shown(row);
    const current = pictures.find((button) => methodOf(button) === chosen.method) ?? pictures[0];
    chosen.method = methodOf(current);
    const source = current.querySelector("img");
    image.src = source.src;
    image.alt = source.alt;
    document.getElementById("viewer-photo").textContent = `${row.dataset.photo}: ${chosen.method}`;
    document.getElementById("viewer-place").textContent = `(photo ${chosen.row + 1} of ${rows.length})`;
    methods.replaceChildren(...pictures.map((button) => methodButton(methodOf(button))));
  }

  function methodButton(method) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = method;
    button.setAttribute("aria-pressed", String(method === chosen.method));
    button.addEventListener("click", () => {
      chosen.method = method;
      paint();
    });
    return button;
  }

  function stepMethod(by) {
    const names = shown(rows[chosen.row]).map(methodOf);
    chosen.method = names[(names.indexOf(chosen.method) + by + names.length) % names.length];
    paint();
  }

  function stepPhoto(by) {
    chosen.row = (chosen.row + by + rows.length) % rows.length;
    paint();
  }

  const keys = {
    ArrowLeft: () => stepMethod(-1),
    ArrowRight: () => stepMethod(1),
    ArrowUp: () => stepPhoto(-1),
    ArrowDown: () => stepPhoto(1),
  };

  viewer.addEventListener("keydown", (event) => {
    if (event.key in keys) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  document.getElementById("viewer-close").addEventListener("click", () => viewer.close());
  image.addEventListener("click", () => stepMethod(1));
  viewer.addEventListener("close", () => {
    const opener = rows[chosen.row].querySelector(`td[data-method="${CSS.escape(chosen.method)}"] .zoom:not([hidden])`);
    opener?.focus();
  });

  rows.forEach((row, index) => {
    for (const button of row.querySelectorAll(".zoom")) {
      button.addEventListener("click", () => {
        chosen.row = index;
        chosen.method = methodOf(button);
        paint();
        viewer.showModal();
      });
    }
  });
  for (const button of document.querySelectorAll("[data-variant-button]")) {
    button.addEventListener("click", () => showVariant(button.dataset.variantButton));
  }

  /** Mark on which sides an area has more to show, for the fading edges of the style sheet. */
  function markHidden(area) {
    const right = area.scrollWidth - area.clientWidth - area.scrollLeft > 1;
    area.dataset.more = [area.scrollLeft > 1 ? "left" : "", right ? "right" : ""].join(" ").trim();
  }
  const resized = new ResizeObserver((entries) => entries.forEach((entry) => markHidden(entry.target)));
  for (const area of document.querySelectorAll(".scroll")) {
    area.addEventListener("scroll", () => markHidden(area), { passive: true });
    resized.observe(area);
    markHidden(area);
  }

  document.documentElement.dataset.pictures = String(rows.reduce((sum, row) => sum + shown(row).length, 0));
  document.documentElement.dataset.ready = "true";
})();
