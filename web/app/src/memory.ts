/** Choices that the page remembers on this device; where the browser refuses storage, they last for the visit. */

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(`chromalab.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`chromalab.${name}`, value);
  } catch {
    // The browser refuses storage.
  }
}
