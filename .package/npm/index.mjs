import sqliteSafetensors from "./index.cjs";

export const { getLoadablePath, getProgramPath, load } = sqliteSafetensors;
