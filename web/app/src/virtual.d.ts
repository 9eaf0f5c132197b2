declare module "virtual:model" {
  export const modelUrl: string;
  export const record: import("./core/network").ModelRecord;
  export const version: string;
}
