/** The sentences of the page in the reader's language. */

import german from "./messages/locales/de.json";
import english from "./messages/en.json";
import spanish from "./messages/locales/es.json";
import french from "./messages/locales/fr.json";
import japanese from "./messages/locales/ja.json";
import { recall, remember } from "./memory.js";
/** @import { Failure, Messages } from "./types" */

/**
 * The languages of the page, with their own names; a further one is a file in `locales/` and a line here.
 *
 * @type {Readonly<Record<string, readonly [name: string, messages: Messages]>>}
 */
export const LANGUAGES = {
  en: ["English", english],
  de: ["Deutsch", german],
  fr: ["Français", french],
  es: ["Español", spanish],
  ja: ["日本語", japanese],
};

export let language = preferred([recall("language") ?? "", ...navigator.languages]);
export let messages = LANGUAGES[language][1];

/**
 * Returns the first of the reader's languages that the page has.
 *
 * @param {readonly string[]} tags
 */
export function preferred(tags) {
  return tags.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES) ?? "en";
}

/** @param {string} chosen */
export function chooseLanguage(chosen) {
  language = preferred([chosen]);
  messages = LANGUAGES[language][1];
  remember("language", language);
}

/**
 * Returns a sentence with the values in place of `{name}`; numbers are written as the language does.
 *
 * @param {string} sentence
 * @param {Readonly<Record<string, string | number>>} values
 */
export function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name] ?? whole;
    return typeof value === "number" ? value.toLocaleString(language, { maximumFractionDigits: 2 }) : value;
  });
}

/**
 * Returns the sentence for a photo that failed.
 *
 * @param {string} name
 * @param {{ failure: Failure, detail: string }} state
 */
export function failureText(name, { failure, detail }) {
  return filled(messages.failures[failure], { name, detail });
}

/**
 * Returns the sentences of notes, some of which are names of them.
 *
 * @param {readonly string[]} notes
 */
export function notesText(notes) {
  return notes.map((note) => (note in messages.notes ? messages.notes[/** @type {keyof Messages["notes"]} */ (note)] : note)).join(" ");
}

/**
 * Writes the sentences into all elements that name one as their text or their label.
 *
 * @param {Document} root
 */
export function translate(root) {
  root.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-message]")) element.textContent = named(element.getAttribute("data-message"));
  for (const element of root.querySelectorAll("[data-label]")) element.ariaLabel = named(element.getAttribute("data-label"));
}

/** @param {string | null} name */
function named(name) {
  const sentence = messages[/** @type {keyof Messages} */ (name)];
  if (typeof sentence !== "string") throw new Error(`no sentence is named ${name}`);
  return sentence;
}
