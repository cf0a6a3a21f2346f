/**
 * The path of the loadable extension for this machine, for drivers with another way to load it.
 * @throws an Error if the package for this machine is not installed.
 */
export declare function getLoadablePath(): string;

/**
 * The path of the program safetensors-sql for this machine.
 * @throws an Error if the package for this machine is not installed, or has no program.
 */
export declare function getProgramPath(): string;

/** What a database must have: better-sqlite3, node:sqlite, libsql, sqlite3, bun:sqlite and others have it. */
export interface Database {
  loadExtension(file: string, ...more: any[]): unknown;
}

/**
 * Loads the extension into an open database. The driver must allow extensions: with node:sqlite and
 * `@photostructure/sqlite`, open the database with `{ allowExtension: true }`; the latter also needs
 * `enableLoadExtension(true)` before.
 */
export declare function load(db: Database): void;
