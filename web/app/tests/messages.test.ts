import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import english from "@page/messages/en.json";

type Sentences = { readonly [name: string]: string | Sentences };

const FOLDER = fileURLToPath(new URL("../../../src/chromalab/colorization/web/static/", import.meta.url));
const files = readdirSync(`${FOLDER}messages/locales`);

function read(file: string): Sentences {
  return JSON.parse(readFileSync(`${FOLDER}messages/locales/${file}`, "utf8")) as Sentences;
}

/** Returns every key with the placeholders of its sentence. */
function placeholders(sentences: Sentences, prefix = ""): [string, string[]][] {
  return Object.entries(sentences).flatMap(([name, sentence]): [string, string[]][] =>
    typeof sentence === "string"
      ? [[prefix + name, (sentence.match(/\{\w+\}/g) ?? []).sort()]]
      : placeholders(sentence, `${prefix}${name}.`),
  );
}

test("there are four languages beside English", () => {
  expect(files.sort()).toEqual(["de.json", "es.json", "fr.json", "ja.json"]);
});

test.each(files)("%s has the keys and placeholders of en.json, in the same order", (file) => {
  expect(placeholders(read(file))).toEqual(placeholders(english));
});

test.each(files)("%s leaves no sentence in English", (file) => {
  const same = Object.entries(read(file)).filter(([name, sentence]) => typeof sentence === "string" && sentence.endsWith(".") && sentence === english[name as keyof typeof english]);
  expect(same).toEqual([]);
});

test("the sources use every sentence", () => {
  const sources = [FOLDER, fileURLToPath(new URL("../src/", import.meta.url))].flatMap((folder) => readdirSync(folder, { withFileTypes: true }));
  const files = sources.filter((entry) => entry.isFile() && entry.name !== "page.css");
  const text = files.map(({ parentPath, name }) => readFileSync(`${parentPath}/${name}`, "utf8")).join("\n");
  const unused = Object.keys(english).filter((name) => !new RegExp(`messages\\.${name}\\b|"${name}"`).test(text));
  expect(unused).toEqual([]);
});
