declare module "virtual:model" {
  export const modelUrl: string;
  export const record: import("./core/network").ModelRecord;
  export const version: string;
  /** The notice of inferred colors that the result's XMP carries. */
  export const statement: string;
}
