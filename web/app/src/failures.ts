/** Errors whose kind has a sentence in the page's language. */
export class PhotoError extends Error {
  constructor(
    readonly failure: "unreadable" | "tooLarge" | "memory" | "encoding",
    message: string,
  ) {
    super(message);
  }
}
