/** Rewrites wasm-vips so that it runs under a Content-Security-Policy that forbids to compile code from texts. */

import type { Plugin } from "vite";

/** Calls a function of libvips with converted arguments, as the code does that wasm-vips puts together. */
const INVOKER = `((names, values, count, isMethod, destroys, usesStack, returns) => {
  const by = Object.fromEntries(names.map((name, place) => [name, values[place]]));
  const destructors = names.filter((name) => name.endsWith("_dtor"));
  return function (...args) {
    const list = destroys ? [] : null;
    const stack = usesStack ? by.stackSave() : 0;
    const wired = {};
    let result;
    try {
      if (isMethod) wired.thisWired = by.toClassParamWire(list, this);
      for (let place = 0; place < count; place++) wired["arg" + place + "Wired"] = by["toArg" + place + "Wire"](list, args[place]);
      result = by.invoker(by.fn, ...Object.values(wired));
    } finally {
      if (usesStack) by.stackRestore(stack);
    }
    if (destroys) by.runDestructors(list);
    else for (const name of destructors) by[name](wired[name.slice(0, -5)]);
    return returns ? by.fromRetWire(result) : undefined;
  };
})(v, d, p, c, h, l, m)`;

/** Calls a function of JavaScript with arguments that libvips has written to memory. */
const CALLER = `((kind, readers, by, isVoid) => (handle, name, destructors, place) => {
  const values = readers.map((read, number) => read(place + 8 * number));
  const target = kind === 3 ? undefined : by.toValue(handle);
  const call = [
    () => target(...values),
    () => target[by.getStringOrSymbol(name)](...values),
    () => new target(...values),
    () => values[values.length - 1],
  ][kind];
  const result = call();
  return isVoid ? undefined : by.emval_returnValue(by.toReturnWire, destructors, result);
})(c, g, h, b.kb)`;

/** The places in wasm-vips 0.0.19; after an update its code has to be read again. */
const REPLACEMENTS = [
  ['(new Function(v,n+"}\\n"))(...d)', INVOKER],
  ["(new Function(Object.keys(h),l))(...Object.values(h))", CALLER],
] as const;

export function withoutEval(): Plugin {
  return {
    name: "chromalab-without-eval",
    enforce: "pre",
    transform(code, id) {
      if (!/wasm-vips\/lib\/vips-es6\.js/.test(id)) return undefined;
      for (const [text, replacement] of REPLACEMENTS) {
        if (code.split(text).length !== 2) throw new Error(`${id} does not have the code that is replaced: ${text}`);
        code = code.replace(text, () => replacement);
      }
      return { code, map: null };
    },
  };
}
