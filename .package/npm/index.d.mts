export { getLoadablePath, getProgramPath, load } from "./index.cjs";
export type { Database } from "./index.cjs";
