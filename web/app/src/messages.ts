/** The sentences of the page in the reader's language. */

import german from "./messages/locales/de.json";
import english from "./messages/en.json";
import spanish from "./messages/locales/es.json";
import french from "./messages/locales/fr.json";
import japanese from "./messages/locales/ja.json";
import { recall, remember } from "./memory";

export type Messages = typeof english;

/** The languages of the page, with their own names; a further one is a file in `locales/` and a line here. */
export const LANGUAGES: Readonly<Record<string, readonly [name: string, messages: Messages]>> = {
  en: ["English", english],
  de: ["Deutsch", german],
  fr: ["Français", french],
  es: ["Español", spanish],
  ja: ["日本語", japanese],
};

export let language = preferred([recall("language") ?? "", ...navigator.languages]);
export let messages = LANGUAGES[language]![1];

/** Returns the first of the reader's languages that the page has. */
export function preferred(tags: readonly string[]): string {
  return tags.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES) ?? "en";
}

export function chooseLanguage(chosen: string): void {
  language = preferred([chosen]);
  messages = LANGUAGES[language]![1];
  remember("language", language);
}

/** Returns a sentence with the values in place of `{name}`; numbers are written as the language does. */
export function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name] ?? whole;
    return typeof value === "number" ? value.toLocaleString(language, { maximumFractionDigits: 2 }) : value;
  });
}

/** Writes the sentences into all elements that name one as their text or their label. */
export function translate(root: Document): void {
  root.documentElement.lang = language;
  for (const element of root.querySelectorAll<HTMLElement>("[data-message]")) element.textContent = named(element.dataset["message"]);
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) element.ariaLabel = named(element.dataset["label"]);
}

function named(name: string | undefined): string {
  const sentence = messages[name as keyof Messages];
  if (typeof sentence !== "string") throw new Error(`no sentence is named ${name}`);
  return sentence;
}
