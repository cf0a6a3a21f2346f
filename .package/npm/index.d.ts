/**
 * The path of the loadable extension for this platform and architecture.
 * @throws an Error when the package has none.
 */
export declare function getLoadablePath(): string;

interface Database {
  loadExtension(file: string, entrypoint?: string | undefined): void;
}

/**
 * Loads the extension into an open database. Extension loading must be allowed: with @photostructure/sqlite open it
 * with `{ allowExtension: true }` and call its `enableLoadExtension(true)` before.
 */
export declare function load(db: Database): void;
