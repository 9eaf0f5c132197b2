/**
 * Choices that the page remembers on this device; where the browser refuses storage, they last for the visit.
 *
 * @param {string} name
 * @returns {string | null}
 */

export function recall(name) {
  try {
    return localStorage.getItem(`chromalab.${name}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
export function remember(name, value) {
  try {
    localStorage.setItem(`chromalab.${name}`, value);
  } catch {
    // The browser refuses storage.
  }
}
