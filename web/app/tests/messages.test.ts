import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import english from "../src/messages/en.json";

type Sentences = { readonly [name: string]: string | Sentences };

const FOLDER = new URL("../src/messages/locales/", import.meta.url);
const files = readdirSync(FOLDER);

function read(file: string): Sentences {
  return JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Sentences;
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
  const folder = new URL("../src/", import.meta.url);
  const sources = readdirSync(folder).filter((name) => name.endsWith(".ts"));
  const text = [...sources, "../index.html"].map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
  const stages = ["decoding", "predicting", "rendering", "encoding"]; // the list looks them up by the protocol's names
  const unused = Object.keys(english).filter((name) => !new RegExp(`messages\\.${name}\\b|="${name}"`).test(text));
  expect(unused.filter((name) => !stages.includes(name))).toEqual([]);
});
