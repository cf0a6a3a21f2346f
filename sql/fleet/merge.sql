-- Joins the catalogue of another machine to this one.
--
-- Of each node, the catalogue that has the later look at it counts, by the clock of that node alone: clocks of two
-- nodes are never compared. So parts can be merged in any order, and again and again, with the same result; an older
-- part that comes late changes nothing, and brings nothing back that is gone. What is known of the bytes of tensors is
-- joined, from all catalogues that mean the same state of a file.
--
-- The other catalogue is only read. The one that is written is the main database, and need not be there before.
--
-- @param part path required   the other catalogue, as `fleet catalog` and `fleet merge` make it
-- @param format enum text|json|csv  how to print the tables
-- @database                   the tables of the catalogue, and the view tensor
-- @table merge_look(node, files, gone, is_later)   one row per node of the part: files that are there and that are
--    gone, and whether its look was later than what was known
-- @example safetensors-sql fleet merge other.db --database part.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  part TEXT CONSTRAINT ":part is set" CHECK (part IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :part, ifnull(:format, 'text') WHERE safetensors_parameters(':part', ':format');
.mode list
.headers off

-- ATTACH would make a file that is not there, which fsdir() refuses. A session in which this was run has one already.
DROP TABLE IF EXISTS temp.fleet_merge_needs;
CREATE TEMP TABLE fleet_merge_needs AS SELECT p.part FROM parameters AS p, fsdir(p.part) LIMIT 1;
ATTACH ':memory:' AS (SELECT iif(max(name = 'fleet_part'), 'fleet_part_' || count(*), 'fleet_part') FROM pragma_database_list);
DETACH fleet_part;
ATTACH (SELECT part FROM temp.parameters) AS fleet_part;

CREATE TABLE IF NOT EXISTS node(node TEXT PRIMARY KEY, root TEXT, taken INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file(
  id INTEGER PRIMARY KEY, node TEXT NOT NULL, path TEXT NOT NULL, size INTEGER, mtime INTEGER, inode INTEGER, status TEXT NOT NULL, error TEXT,
  header_size INTEGER, tensors INTEGER, numel INTEGER, nbytes INTEGER, layout INTEGER, metadata TEXT,
  taken INTEGER NOT NULL, found INTEGER NOT NULL, changed INTEGER NOT NULL, hash TEXT, l2 REAL, UNIQUE (node, path)
);
CREATE TABLE IF NOT EXISTS layout(id INTEGER PRIMARY KEY, layout TEXT NOT NULL UNIQUE, tensors INTEGER, numel INTEGER, nbytes INTEGER);
CREATE TABLE IF NOT EXISTS layout_tensor(
  layout INTEGER, n INTEGER, name TEXT, dtype TEXT, shape TEXT, numel INTEGER, nbytes INTEGER, begin INTEGER, layer, pattern TEXT,
  PRIMARY KEY (layout, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content(
  file INTEGER, n INTEGER, hash TEXT, n_nan INTEGER, n_inf INTEGER, abs_max REAL, l2 REAL, PRIMARY KEY (file, n)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_layout ON file(layout);
CREATE INDEX IF NOT EXISTS content_hash ON content(hash);
CREATE INDEX IF NOT EXISTS content_nan ON content(file) WHERE n_nan > 0;
CREATE VIEW IF NOT EXISTS tensor AS
SELECT f.node, f.path, t.n, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.begin + f.header_size + 8 AS offset, t.layer, t.pattern,
       c.hash, c.n_nan, c.n_inf, c.abs_max, c.l2
FROM file AS f JOIN layout_tensor AS t ON t.layout = f.layout LEFT JOIN content AS c ON c.file = f.id AND c.n = t.n;

SAVEPOINT fleet_merge;
DROP TABLE IF EXISTS temp.merge_look;
CREATE TEMP TABLE merge_look AS
SELECT o.node, (SELECT count(*) FROM fleet_part.file AS f WHERE f.node = o.node AND f.status <> 'gone') AS files,
       (SELECT count(*) FROM fleet_part.file AS f WHERE f.node = o.node AND f.status = 'gone') AS gone,
       ifnull(o.taken > m.taken, 1) AS is_later
FROM fleet_part.node AS o LEFT JOIN main.node AS m USING (node);

-- Layouts have their own numbers in each catalogue.
DROP TABLE IF EXISTS temp.fleet_merge_layouts;
CREATE TEMP TABLE fleet_merge_layouts AS
SELECT id, layout FROM fleet_part.layout AS l WHERE NOT EXISTS (SELECT 1 FROM main.layout AS m WHERE m.layout = l.layout);
INSERT INTO main.layout(layout, tensors, numel, nbytes)
SELECT l.layout, l.tensors, l.numel, l.nbytes FROM fleet_merge_layouts AS f JOIN fleet_part.layout AS l USING (id);
INSERT INTO main.layout_tensor
SELECT m.id, t.n, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.begin, t.layer, t.pattern
FROM fleet_merge_layouts AS f JOIN main.layout AS m USING (layout) JOIN fleet_part.layout_tensor AS t ON t.layout = f.id;

-- A later look at a node takes the place of all that was known of its files, but for the content of those that it
-- found as they were read before.
DROP TABLE IF EXISTS temp.fleet_merge_past;
CREATE TEMP TABLE fleet_merge_past AS
SELECT m.id, o.id IS NULL AS is_unknown
FROM main.file AS m JOIN merge_look AS l ON l.node = m.node AND l.is_later
LEFT JOIN fleet_part.file AS o ON o.node = m.node AND o.path = m.path
WHERE o.taken IS NOT m.taken;
DELETE FROM main.content WHERE file IN (SELECT id FROM fleet_merge_past);
UPDATE main.file SET hash = NULL, l2 = NULL WHERE id IN (SELECT id FROM fleet_merge_past);
DELETE FROM main.file WHERE id IN (SELECT id FROM fleet_merge_past WHERE is_unknown);
INSERT INTO main.file(node, path, size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, found, changed)
SELECT o.node, o.path, o.size, o.mtime, o.inode, o.status, o.error, o.header_size, o.tensors, o.numel, o.nbytes, m.id, o.metadata, o.taken, o.found, o.changed
FROM merge_look AS l JOIN fleet_part.file AS o ON o.node = l.node AND l.is_later
LEFT JOIN fleet_part.layout AS y ON y.id = o.layout LEFT JOIN main.layout AS m ON m.layout = y.layout WHERE true
ON CONFLICT (node, path) DO UPDATE SET (size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, found, changed) =
  (excluded.size, excluded.mtime, excluded.inode, excluded.status, excluded.error, excluded.header_size, excluded.tensors, excluded.numel,
   excluded.nbytes, excluded.layout, excluded.metadata, excluded.taken, excluded.found, excluded.changed);
INSERT INTO main.node SELECT o.node, o.root, o.taken FROM merge_look AS l JOIN fleet_part.node AS o USING (node) WHERE l.is_later
ON CONFLICT (node) DO UPDATE SET root = excluded.root, taken = excluded.taken;

INSERT OR IGNORE INTO main.content
SELECT m.id, c.n, c.hash, c.n_nan, c.n_inf, c.abs_max, c.l2
FROM fleet_part.file AS o JOIN main.file AS m ON m.node = o.node AND m.path = o.path AND m.taken = o.taken
JOIN fleet_part.content AS c ON c.file = o.id WHERE m.status = 'ok';
UPDATE main.file SET hash = o.hash, l2 = o.l2 FROM fleet_part.file AS o
WHERE o.node = file.node AND o.path = file.path AND o.taken = file.taken AND o.hash IS NOT NULL AND file.hash IS NULL AND file.status = 'ok';
RELEASE fleet_merge;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
SELECT safetensors_print(format, 'merge_look') FROM parameters WHERE format <> 'text';
SELECT printf('%,d %s merged, %,d of %s with a later look.', count(*), iif(count(*) = 1, 'node', 'nodes'), total(is_later), iif(count(*) = 1, 'it', 'them'))
FROM merge_look HAVING (SELECT 1 FROM as_text);
SELECT printf('%s: %,d files, %,d gone%s', safetensors_label(node), files, gone, iif(is_later, '', ', as known before')) FROM as_text, merge_look ORDER BY node LIMIT 40;
SELECT printf('and %,d more', count(*) - 40) FROM merge_look, as_text HAVING count(*) > 40;
