"use strict";
const element = id => document.getElementById(id);
const cards = [];
const shownByBrowsers = ["image/jpeg", "image/png", "image/webp", "image/avif", "image/gif"];
const VERSIONS = 4;

async function loadModels() {
  const models = await (await fetch("/v1/models")).json();
  for (const model of models) {
    const option = new Option(model.name, model.name);
    option.dataset.about = [model.title, model.license].filter(Boolean).join("; ");
    option.dataset.versions = model.versions ? "yes" : "";
    element("model").append(option);
  }
  for (let number = 0; number < VERSIONS; number++) element("sample").append(new Option("plausible version " + (number + 1), number));
  showModel();
}

function showModel() {
  const chosen = element("model").selectedOptions[0];
  element("about").textContent = chosen ? chosen.dataset.about : "";
  element("sample").disabled = !chosen || !chosen.dataset.versions;
  if (element("sample").disabled) element("sample").value = "";
  const others = [...element("model").options].filter(option => option.dataset.versions).map(option => option.value);
  const reason = others.length ? "Choose a model with versions: " + others.join(", ") : "No model on this server has versions.";
  element("sample").title = element("sample").disabled ? reason : "";
}

class Card {
  constructor(file) {
    this.file = file;
    this.hints = [];
    this.node = element("card").content.firstElementChild.cloneNode(true);
    this.find = selector => this.node.querySelector(selector);
    this.find(".name").textContent = file.name;
    this.range = this.find("input[type=range]");
    this.range.setAttribute("aria-label", file.name + ": gray on the left, color on the right");
    this.range.addEventListener("input", () => this.find(".slider").style.setProperty("--cut", this.range.value + "%"));
    this.find(".dots").addEventListener("click", event => this.addHint(event));
    this.find(".download").addEventListener("click", () => this.download());
    this.find(".cancel").addEventListener("click", () => this.stop());
    this.find(".remove").addEventListener("click", () => this.remove());
    element("photos").append(this.node);
    this.showBefore();
    this.update();
  }

  async showBefore() {
    const image = this.find(".before");
    image.alt = this.file.name + ", original";
    if (shownByBrowsers.includes(this.file.type)) { image.src = URL.createObjectURL(this.file); return; }
    const form = new FormData();
    form.append("file", this.file);
    const response = await fetch("/v1/grey", { method: "POST", body: form });
    if (response.ok) image.src = URL.createObjectURL(await response.blob());
  }

  form(preview) {
    const form = new FormData();
    form.append("file", this.file);
    form.append("model", element("model").value);
    form.append("saturation", element("saturation").value);
    form.append("warmth", element("warmth").value);
    form.append("keep_tone", element("tone").checked);
    form.append("hints", JSON.stringify(this.hints));
    if (element("sample").value) form.append("sample", element("sample").value);
    if (preview) form.append("preview", "true");
    else if (element("format").value) form.append("format", element("format").value);
    return form;
  }

  show(text, failed) {
    this.find(".state").textContent = text;
    this.node.classList.toggle("failed", Boolean(failed));
  }

  warn(warnings) {
    this.find(".warnings").replaceChildren(...warnings.map(text => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }));
  }

  stop() {
    if (this.controller) this.controller.abort();
  }

  async request(preview) {
    this.stop();
    const controller = this.controller = new AbortController();
    this.find(".cancel").disabled = false;
    try {
      const response = await fetch("/v1/colorize", { method: "POST", body: this.form(preview), signal: controller.signal });
      if (!response.ok) {
        const body = await response.json().catch(() => ({}));
        throw new Error(typeof body.detail === "string" ? body.detail : "the server returned status " + response.status);
      }
      return { blob: await response.blob(), facts: JSON.parse(response.headers.get("X-Chromalab")) };
    } finally {
      if (this.controller === controller) { this.controller = null; this.find(".cancel").disabled = true; }
    }
  }

  async update() {
    this.show("colorizing …");
    this.warn([]);
    try {
      const { blob, facts } = await this.request(true);
      const after = this.find(".after");
      if (after.src) URL.revokeObjectURL(after.src);
      after.src = URL.createObjectURL(blob);
      after.alt = this.file.name + ", in color";
      for (const selector of [".after", ".bar", "input[type=range]"]) this.find(selector).hidden = false;
      this.find(".download").disabled = false;
      this.show(facts.width + " × " + facts.height);
      this.warn(facts.warnings);
    } catch (error) {
      if (error.name === "AbortError") this.show("canceled");
      else this.show(error.message, true);
    }
  }

  addHint(event) {
    const box = this.find(".dots").getBoundingClientRect();
    const hint = {
      x: Math.min(99.99, Math.max(0, (event.clientX - box.left) / box.width * 100)),
      y: Math.min(99.99, Math.max(0, (event.clientY - box.top) / box.height * 100)),
      unit: "percent", color: element("color").value,
    };
    this.hints.push(hint);
    const dot = document.createElement("button");
    dot.type = "button";
    dot.className = "dot";
    dot.style.left = hint.x + "%";
    dot.style.top = hint.y + "%";
    dot.style.background = hint.color;
    dot.setAttribute("aria-label", "remove the color " + hint.color);
    dot.addEventListener("click", clicked => {
      clicked.stopPropagation();
      this.hints.splice(this.hints.indexOf(hint), 1);
      dot.remove();
      this.update();
    });
    this.find(".dots").append(dot);
    this.update();
  }

  async download() {
    this.show("colorizing at full size …");
    try {
      const { blob, facts } = await this.request(false);
      const endings = { "image/jpeg": "jpg", "image/png": "png", "image/tiff": "tif", "image/webp": "webp", "image/avif": "avif" };
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = this.file.name.replace(/\.[^.]*$/, "") + "-colorized." + (endings[blob.type] || "png");
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      this.show(facts.width + " × " + facts.height + ", " + facts.bits + " bits, " + facts.seconds.toFixed(1) + " s");
      this.warn(facts.warnings);
    } catch (error) {
      if (error.name === "AbortError") this.show("canceled");
      else this.show(error.message, true);
    }
  }

  remove() {
    this.stop();
    this.node.remove();
    cards.splice(cards.indexOf(this), 1);
    element("none").hidden = cards.length > 0;
  }
}

function add(files) {
  for (const file of files) cards.push(new Card(file));
  element("none").hidden = cards.length > 0;
}

let timer;
function updateAll() {
  clearTimeout(timer);
  timer = setTimeout(() => cards.forEach(card => card.update()), 200);
}

element("files").addEventListener("change", event => { add(event.target.files); event.target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, event => {
    event.preventDefault();
    element("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") add(event.dataTransfer.files);
  });
for (const id of ["saturation", "warmth"])
  element(id).addEventListener("input", () => { element(id + "-is").textContent = id === "saturation" ? Number(element(id).value).toFixed(1) : element(id).value; updateAll(); });
for (const id of ["model", "tone", "sample"]) element(id).addEventListener("change", () => { showModel(); updateAll(); });
element("hinting").addEventListener("change", () => document.body.classList.toggle("hinting", element("hinting").checked));
loadModels();
