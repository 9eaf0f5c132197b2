/** The hints of make_expected.py. */

import type { Hint } from "@page/types";

export const HINTS: readonly Hint[] = [
  { x: 0.2, y: 0.3, color: "#8a2b2b" },
  { x: 0.6, y: 0.2, width: 0.1, height: 0.3, color: "#2b8a3f" },
  { x: 0.8, y: 0.7, color: "#8a2b2b" },
];
