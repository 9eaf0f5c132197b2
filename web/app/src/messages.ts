/** The sentences of the page in the reader's language. */

import english from "./messages/en.json";

export type Messages = typeof english;

/** The languages of the page; a further one is a file beside `en.json` and a line here. */
const LANGUAGES: Readonly<Record<string, Messages>> = { en: english };

/** The language of the page: the first of the reader's languages that it has. */
export const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";

export const messages: Messages = LANGUAGES[language]!;

/** Returns a sentence with the values in place of `{name}`. */
export function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Writes the sentences into all elements that name one. */
export function translate(root: Document): void {
  root.documentElement.lang = language;
  for (const element of root.querySelectorAll<HTMLElement>("[data-message]")) {
    const sentence = messages[element.dataset["message"] as keyof Messages];
    if (typeof sentence === "string") element.textContent = sentence;
  }
}
