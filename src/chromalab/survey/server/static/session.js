// The participant's session: how it starts, requests to the server, and the page of the step that the server names, so
// reloading at any step shows the same page. An answer stays in localStorage until the server acknowledges it, and is
// sent again under the same UUID.

import { button, footer, make, panel, paragraph, say, screenFacts, wait, words } from "./page.js";

const KEY = "chromalab-survey-key";
const PENDING = "chromalab-survey-answer";

let key = null;

// The function that shows each step, which survey.js enters here.
export const pages = {};

class Refused extends Error {
  constructor(status, detail, word) { super(detail); this.status = status; this.word = word; }

  // The sentence in the participant's language; what the researcher must change follows in English.
  paragraphs() {
    const told = words[this.word];
    return [...(told ? [paragraph(told)] : []), ...(!told || this.status === 400 ? [make("p", { textContent: this.message, lang: "en" })] : [])];
  }
}

export async function call(path, body) {
  const options = { headers: { "X-Session": key || "" }, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const data = await answer.json().catch(() => null);
  if (!answer.ok && typeof data?.detail === "string") throw new Refused(answer.status, data.detail, data.word);
  // Sign-in pages of networks and error pages of proxies also come with these statuses, but not from the survey's server.
  if (!answer.ok || data === null) throw new Error(`${path} did not return what the survey returns (status ${answer.status})`);
  return data;
}

async function setLanguage(language) {
  Object.assign(words, await call(`/api/texts/${language}`));
  document.documentElement.lang = language;
  document.getElementById("pause").textContent = words.pause;
  document.getElementById("withdraw").textContent = words.withdraw;
}

export function forget() {
  localStorage.removeItem(KEY);
  localStorage.removeItem(PENDING);
}

// ---- the start

export async function start() {
  const info = await call("/api/info");
  document.title = info.title;
  const query = new URLSearchParams(location.search);
  const stored = JSON.parse(localStorage.getItem(KEY) || "null");
  const platform = query.get(info.params[0]);
  const path = location.pathname.match(/^\/s\/([\w-]+)$/);
  if (path) key = path[1];
  else if (stored && stored.platform === platform && !query.get("invitation")) key = stored.key;
  let state = key === null ? null : await resumed();
  if (state === null && !path) {
    // The stored key may be that of an earlier survey at this address.
    const session = key === null ? stored : null;
    if (key !== null) forget();
    key = null;
    await join(info, query, session);
    if (key === null) return;
    state = await resumed();
  }
  if (state === null) return showDeleted();
  localStorage.setItem(KEY, JSON.stringify({ key, platform }));
  history.replaceState(null, "", `/s/${key}`);
  await render(state);
}

async function resumed() {
  await sendPending();
  return currentState();
}

async function join(info, query, stored) {
  const wanted = navigator.languages.map((name) => name.slice(0, 2));
  const language = wanted.find((name) => name in info.languages) || Object.keys(info.languages)[0];
  await setLanguage(language);
  const params = Object.fromEntries(info.params.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
  const session = stored ? stored.key : null;
  const found = await call("/api/join", { language, params, invitation: query.get("invitation"), session, screen: screenFacts() });
  key = found.session;
  if (key === null) pages.ended(found.state);
}

// ---- the page of a step

export async function reload() {
  const state = await currentState();
  if (state !== null) return render(state);
  forget();
  await showDeleted();
}

// Return the participant's state, or null if the server does not know the key.
async function currentState() {
  try {
    return await call("/api/state");
  } catch (error) {
    if (error.word === "refused_key") return null;
    throw error;
  }
}

async function showDeleted() {
  if (!Object.keys(words).length) await setLanguage("en");
  panel(words.withdrawn_title, paragraph(words.refused_key));
}

export async function render(state) {
  if (!Object.keys(words).length || document.documentElement.lang !== state.language) await setLanguage(state.language || "en");
  document.documentElement.dataset.surround = ["screening", "viewing", "instructions", "trials"].includes(state.stage) ? state.surround : "";
  footer.hidden = !["trials", "instructions", "screening", "before", "viewing", "after"].includes(state.stage);
  document.getElementById("pause").hidden = state.stage !== "trials";
  await (pages[state.stage] || pages.ended)(state);
}

export async function guarded(action) {
  try {
    await action();
  } catch (error) {
    if (error.status === 409) return reload();
    const texts = { error_title: "Something went wrong", error_text: "Please reload this page. No answer is lost.", ...words };
    const told = [400, 403, 429].includes(error.status) ? error.paragraphs() : [paragraph(texts.error_text)];
    panel(texts.error_title, ...told, button("↻", () => location.reload()));
  }
}

// The button of people whose device or window does not fit, if the platform has a way back for them.
export const leaving = (state, reason) => state.leave
  ? [button(words.leave, () => guarded(async () => render(await call("/api/leave", { reason }))), { className: "plain" })] : [];

// ---- answers

export function send(answer) {
  localStorage.setItem(PENDING, JSON.stringify({ key, body: answer }));
  return sendPending();
}

// Send the answer that is not acknowledged yet, until the server stores or refuses it. Return null if it is refused, for
// example because the server already has another answer, so the caller reloads.
async function sendPending() {
  const pending = JSON.parse(localStorage.getItem(PENDING) || "null");
  if (!pending || pending.key !== key) return null;
  for (let pause = 500; ; pause = Math.min(pause * 2, 30000)) {
    try {
      const result = await call("/api/vote", pending.body);
      if (!result.state?.stage) throw new Error("this is not an acknowledgment");
      localStorage.removeItem(PENDING);
      say("");
      return result;
    } catch (error) {
      // The survey's server refuses no answer with 404 or 405, but another server at its address may.
      if (error.status && error.status < 500 && ![404, 405, 429].includes(error.status)) {
        localStorage.removeItem(PENDING);
        if (error.status === 409 && words.elsewhere) say(words.elsewhere);
        return null;
      }
      if (words.offline) say(words.offline);
      await wait(pause * (0.75 + Math.random() / 2));
    }
  }
}
