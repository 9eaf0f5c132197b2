// The participant's pages around the trials: consent, screening, questions, instructions, pause, withdrawal and end.

import { enterFullscreen } from "./images.js";
import { button, dialog, fill, footer, make, panel, paragraph, questionField, say, screenFacts, touches, wait, words, written } from "./page.js";
import { call, forget, guarded, leaving, pages, reload, render, start } from "./session.js";
import { keysOf, leaveTrial, trials } from "./trial.js";
import { viewing } from "./viewing.js";

// ---- before the trials

async function consent(state) {
  const { languages } = await call("/api/info");
  const choice = make("select", { id: "language" }, ...Object.entries(languages).map(([code, name]) =>
    make("option", { value: code, textContent: name, selected: code === state.language })));
  choice.onchange = async () => render(await call("/api/language", { language: choice.value }));
  const decide = async (agreed) => {
    const next = await call("/api/consent", { agreed, sha256: state.sha256 });
    if (!agreed) forget();
    await render({ language: state.language, ...next });
  };
  panel(state.title,
    ...(Object.keys(languages).length > 1 ? [make("div", { className: "languages" }, make("label", { htmlFor: "language", textContent: words.language }), choice)] : []),
    make("h2", { textContent: words.consent_title }),
    ...written(state.text),
    make("div", { className: "buttons" }, button(words.agree, () => guarded(() => decide(true))), button(words.decline, () => guarded(() => decide(false)), { className: "plain" })));
}

async function screening(state) {
  const fields = state.images.map((url, place) => {
    const field = make("input", { id: `screening-${place}`, inputMode: "numeric", maxLength: 2, autocomplete: "off" });
    return { field, box: make("div", {}, make("img", { src: url, alt: "", width: 300, height: 300 }), make("label", { htmlFor: field.id, textContent: `${words.screening_image} ${place + 1}` }), field) };
  });
  panel(words.screening_title, paragraph(words.screening_text), make("div", { className: "screening" }, ...fields.map((each) => each.box)),
    button(words.next, () => guarded(async () => render(await call("/api/screening", { answers: fields.map((each) => each.field.value) })))));
}

async function questions(state) {
  const fields = state.questions.map(questionField);
  const form = make("form", { className: "questions", noValidate: false }, ...fields.map((each) => each.box), make("button", { textContent: words.next }));
  form.onsubmit = (event) => {
    event.preventDefault();
    const answers = Object.fromEntries(fields.map(({ name, value }) => [name, value()]));
    guarded(async () => render(await call("/api/answers", { answers })));
  };
  panel(state.stage === "before" ? words.before_title : words.after_title, form);
}

async function instructions(state) {
  if (state.devices === "desktop" && touches()) return panel(words.desktop_title, paragraph(words.desktop_text), ...leaving(state, "device"));
  panel(words.instructions_title, ...(state.instructions ? written(state.instructions) : builtInInstructions(state).map(paragraph)),
    button(words.begin, () => guarded(async () => {
      if (state.fullscreen) await enterFullscreen();
      await render(await call("/api/begin", screenFacts()));
    })));
}

function builtInInstructions(state) {
  const kind = { pairwise: "pairwise", rank_order: "rank", rating: state.form === "slider" ? "slider" : "rating" }[state.protocol]
    || (state.form === "single" ? "fake_single" : "fake_pair");
  const lines = [words[`instructions_${kind}`]];
  if (state.reference) lines.push(words.instructions_reference);
  if (state.tie) lines.push(words.instructions_tie);
  lines.push(...(state.inspect || []).map((name) => words[`instructions_${name}`]));
  if (state.display_ms) lines.push(words.instructions_time);
  if (state.practice) lines.push(words.instructions_practice);
  if (state.feedback) lines.push(words.instructions_feedback);
  if (state.practice_pass) lines.push(fill(words.instructions_pass, state));
  if (state.form === "rank") lines.push(words.instructions_move);
  return [...lines, keysOf(state), words.instructions_screen];
}

// ---- pause, withdraw, end

function pause() {
  leaveTrial();
  footer.hidden = true;
  panel(words.paused_title, paragraph(words.paused_text), make("p", { className: "link", textContent: location.href }), button(words.resume, () => guarded(reload)));
}

async function downloadOwnData() {
  const file = new Blob([JSON.stringify(await call("/api/data"), null, 1)], { type: "application/json" });
  const link = make("a", { href: URL.createObjectURL(file), download: "my-data.json" });
  link.click();
  URL.revokeObjectURL(link.href);
}

function askToWithdraw() {
  document.getElementById("dialog-title").textContent = words.withdraw_title;
  document.getElementById("dialog-text").textContent = words.withdraw_text;
  const yes = document.getElementById("dialog-yes"), no = document.getElementById("dialog-no");
  yes.textContent = words.withdraw_yes;
  no.textContent = words.withdraw_no;
  no.onclick = () => dialog.close();
  yes.onclick = () => guarded(async () => {
    dialog.close();
    leaveTrial();
    await call("/api/withdraw", {});
    forget();
    footer.hidden = true;
    say("");
    panel(words.withdrawn_title, paragraph(words.withdrawn_text));
  });
  dialog.showModal();
}

const codeOf = (state, title) => state.code ? [paragraph(title), make("p", { className: "code", textContent: state.code })] : [];

async function finished(state) {
  panel(words.done_title, paragraph(words.done_text), ...written(state.thanks || "").filter((part) => part.textContent),
    ...(state.failed ? [paragraph(words.failed_text)] : []), ...codeOf(state, state.failed ? words.out_code : words.done_code),
    ...(state.redirect ? [make("p", {}, make("a", { className: "button", href: state.redirect, textContent: words.done_link }))] : []),
    ...(state.next ? [button(words.next_person, () => { forget(); location.assign(state.next); })] : []),
    make("p", { className: "buttons" }, button(words.own_data, () => guarded(downloadOwnData), { className: "plain" }), button(words.done_withdraw, askToWithdraw, { className: "plain" })));
  if (state.redirect) { await wait(3000); if (!dialog.open) location.assign(state.redirect); }
}

async function ended(state) {
  footer.hidden = true;
  const name = { full: "full", screened: "screened", declined: "out" }[state.stage] || "stopped";
  panel(words[`${name}_title`], paragraph(words[`${name}_${state.reason || "text"}`]), ...codeOf(state, words.out_code),
    ...(state.redirect ? [make("a", { className: "button", href: state.redirect, textContent: words.done_link })] : []),
    ...(state.stage === "screened" ? [button(words.done_withdraw, askToWithdraw, { className: "plain" })] : []));
}

document.getElementById("pause").onclick = pause;
document.getElementById("withdraw").onclick = askToWithdraw;
Object.assign(pages, { consent, screening, before: questions, viewing, instructions, trials, after: questions, finished, ended });
guarded(start);
