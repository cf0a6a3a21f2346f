import sqliteSafetensors from "./index.cjs";

export const { getLoadablePath, load } = sqliteSafetensors;
