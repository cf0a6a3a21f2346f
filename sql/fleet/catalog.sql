-- Keeps a catalogue of every checkpoint below a folder.
--
-- Run again, it reads only what is new or has changed. The catalogue is ordinary tables of the main database, which
-- any SQLite reads: a part, with the files of one machine, or of several after `fleet merge`.
--
-- file has one row per node and path (relative to the root of the node): size, mtime (nanoseconds since 1970), inode,
-- status (ok, invalid, missing, gone) and error; what the header says, layout (the number of a row of layout) and
-- metadata (a JSON object); taken, found and changed: when the header was read, when there was such a file first, and
-- when it changed last, in nanoseconds by the clock of the node. hash and l2 are of all tensors, if `fleet content`
-- has read them. Files with equal lists of tensors share a layout, whose tensors are in layout_tensor. content has
-- what is known of the bytes of tensors, and the view tensor all of it in one flat table. node has the last look.
--
-- A file is unchanged while its size, mtime and inode are; one that was written within two seconds of the look is read
-- again the next time. One that was renamed keeps its content; one that has changed loses it. Files in hidden
-- directories are left out, and below a directory that cannot be listed, nothing is gone. Of several sessions the last
-- one that ends counts; fleet/scan.sh makes a part in a copy, and puts it in its place whole.
--
-- @param node text required   a name for this machine, or for this folder of it
-- @param path path required   the folder
-- @param empty flag           take it for emptied if no file is left; otherwise it is taken for unmounted
-- @param format enum text|json|csv  how to print the tables
-- @database                   the tables of the catalogue, and the view tensor
-- @table catalog_look(node, listed, read, renamed, gone, bad, layouts)   one row: files that are there, whose headers
--    were read, that were renamed, that are gone since the last time, that cannot be read, and layouts that are new
-- @table catalog_changes(change, path, status, error)   one row per file: new, changed, renamed, gone
-- @example safetensors-sql fleet catalog here models --database part.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  node TEXT CONSTRAINT ":node is set" CHECK (node IS NOT NULL AND node <> ''),
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL AND path <> ''),
  "empty" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
SELECT :node, rtrim(:path, '/') || iif(rtrim(:path, '/') = '' AND :path <> '', '/', ''), ifnull(:empty, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':node', ':path', ':empty', ':format');
.mode list
.headers off

-- ---- What is there: no header is read ----

-- A folder that cannot be listed ends the script here.
DROP TABLE IF EXISTS temp.catalog_unlisted;
CREATE TEMP TABLE catalog_unlisted AS
SELECT model AS path FROM parameters AS p, safetensors_models(p.path) WHERE files = 0 AND index_file IS NULL AND model <> p.path;
DROP TABLE IF EXISTS temp.catalog_listed;
CREATE TEMP TABLE catalog_listed(path TEXT PRIMARY KEY, file TEXT, size INTEGER, mtime INTEGER, inode INTEGER, is_read INTEGER) WITHOUT ROWID;
INSERT OR IGNORE INTO catalog_listed(path, file, size, mtime, inode)
SELECT substr(f.file, length(p.path) + iif(p.path = '/', 1, 2)), f.file, f.size, f.mtime, f.inode
FROM parameters AS p, safetensors_files(rtrim(p.path, '/') || '/**/*.safetensors') AS f
WHERE f.file <> rtrim(p.path, '/') || '/**/*.safetensors';

-- ---- The catalogue ----

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

DROP TABLE IF EXISTS temp.catalog_needs;
CREATE TEMP TABLE catalog_needs(files INTEGER CONSTRAINT "there is a file under :path, or :empty is set" CHECK (files > 0));
INSERT INTO catalog_needs
SELECT count(*) OVER () FROM catalog_listed
UNION ALL SELECT EXISTS (SELECT 1 FROM file AS f WHERE f.node = p.node AND f.status <> 'gone') FROM parameters AS p WHERE p."empty"
LIMIT 1;
INSERT INTO catalog_needs SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM catalog_needs);

SAVEPOINT catalog;
-- The time of a look grows with each, also if the clock of the node is set back.
DROP TABLE IF EXISTS temp.catalog_time;
CREATE TEMP TABLE catalog_time AS
SELECT max(CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000000, ifnull(n.taken, 0) + 1) AS now,
       CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000000 AS clock
FROM parameters AS p LEFT JOIN node AS n USING (node);

-- What is known of a path, for a file in the same state; not if it may have changed after it was read, in the time
-- that the clock of a file system does not tell apart.
DROP TABLE IF EXISTS temp.catalog_known;
CREATE TEMP TABLE catalog_known(path TEXT PRIMARY KEY, id INTEGER, size INTEGER, mtime INTEGER, inode INTEGER, same INTEGER) WITHOUT ROWID;
INSERT INTO catalog_known
SELECT f.path, f.id, f.size, f.mtime, f.inode, f.status IN ('ok', 'invalid') AND ifnull(f.mtime, 0) < f.taken - 2000000000
FROM parameters AS p JOIN file AS f ON f.node = p.node WHERE f.status <> 'gone';
UPDATE catalog_listed SET is_read = NOT EXISTS (
  SELECT 1 FROM catalog_known AS k
  WHERE k.path = catalog_listed.path AND k.same AND (k.size, k.mtime, k.inode) IS (catalog_listed.size, catalog_listed.mtime, catalog_listed.inode));
DROP TABLE IF EXISTS temp.catalog_gone;
CREATE TEMP TABLE catalog_gone AS
SELECT k.* FROM catalog_known AS k
WHERE k.path NOT IN (SELECT path FROM catalog_listed) AND NOT EXISTS (
  SELECT 1 FROM catalog_unlisted AS u, parameters AS p
  WHERE substr(rtrim(p.path, '/') || '/' || k.path, 1, length(u.path) + 1) = u.path || '/');
CREATE INDEX temp.catalog_gone_by_inode ON catalog_gone(inode);

-- What has another name now is not read again.
DROP TABLE IF EXISTS temp.catalog_renamed;
CREATE TEMP TABLE catalog_renamed(path TEXT PRIMARY KEY, id INTEGER UNIQUE);
INSERT OR IGNORE INTO catalog_renamed
SELECT l.path, g.id FROM catalog_listed AS l JOIN catalog_gone AS g ON (g.inode, g.size, g.mtime) = (l.inode, l.size, l.mtime) AND g.same
WHERE l.is_read AND l.path NOT IN (SELECT path FROM catalog_known);
UPDATE catalog_listed SET is_read = 0 WHERE path IN (SELECT path FROM catalog_renamed);

-- ---- Headers: a file that vanishes or is replaced meanwhile is read again the next time ----

-- Each statement opens a file once, so that it sees one state of it.
DROP TABLE IF EXISTS temp.catalog_errors;
CREATE TEMP TABLE catalog_errors AS SELECT safetensors_config('errors') AS before;
DROP TABLE IF EXISTS temp.catalog_nothing;
CREATE TEMP TABLE catalog_nothing AS SELECT safetensors_config('errors', 'skip');
DROP TABLE IF EXISTS temp.catalog_read;
CREATE TEMP TABLE catalog_read AS
SELECT l.path, l.file, f.status, f.error, f.header_size, f.tensors, f.numel, f.nbytes, f.layout, f.size, f.mtime, f.inode, NULL AS metadata
FROM catalog_listed AS l CROSS JOIN safetensors_files(l.file) AS f WHERE l.is_read;
UPDATE catalog_read SET metadata = (SELECT json_group_object(key, value) FROM safetensors_metadata(catalog_read.file)) WHERE status = 'ok';

DROP TABLE IF EXISTS temp.catalog_fresh;
CREATE TEMP TABLE catalog_fresh AS
SELECT r.layout, min(r.file) AS file, r.tensors, r.numel, r.nbytes FROM catalog_read AS r
WHERE r.status = 'ok' AND r.layout NOT IN (SELECT layout FROM layout) GROUP BY r.layout;
INSERT INTO layout(layout, tensors, numel, nbytes) SELECT layout, tensors, numel, nbytes FROM catalog_fresh;
INSERT INTO layout_tensor
SELECT y.id, t.n, t.name, t.dtype, t.shape, t.numel, t.nbytes, t.offset - r.header_size - 8, t.layer, t.pattern
FROM catalog_fresh AS h JOIN layout AS y ON y.layout = h.layout JOIN catalog_read AS r ON r.file = h.file
CROSS JOIN safetensors_tensors(h.file) AS t;
-- What has been listed must be what the layout is the hash of.
DELETE FROM layout WHERE layout IN (
  SELECT layout FROM catalog_fresh AS h JOIN layout AS y USING (layout)
  WHERE layout <> tensor_hash(CAST(ifnull((
    SELECT group_concat(json_array(name, dtype, json(shape), begin), char(10))
    FROM (SELECT * FROM layout_tensor AS t WHERE t.layout = y.id ORDER BY n)), '') AS BLOB), 'U8'));
DELETE FROM layout_tensor WHERE layout NOT IN (SELECT id FROM layout);

UPDATE catalog_read SET status = 'missing', error = 'changed while it was read', header_size = NULL, tensors = NULL, numel = NULL, nbytes = NULL,
  layout = NULL, metadata = NULL
WHERE status = 'ok' AND (layout NOT IN (SELECT layout FROM layout)
  OR (size, mtime, inode) IS NOT (SELECT size, mtime, inode FROM safetensors_files(catalog_read.file)));
INSERT OR REPLACE INTO catalog_nothing SELECT safetensors_config('errors', before) FROM catalog_errors;

-- ---- What has become of each file ----

DROP TABLE IF EXISTS temp.catalog_became;
CREATE TEMP TABLE catalog_became AS
SELECT CASE WHEN f.id IS NULL OR f.status = 'gone' THEN 'new'
            WHEN (f.size, f.mtime, f.inode, f.status, f.error) IS NOT (r.size, r.mtime, r.inode, r.status, r.error)
              OR (f.header_size, f.metadata) IS NOT (r.header_size, r.metadata)
              OR f.layout IS NOT (SELECT id FROM layout AS y WHERE y.layout = r.layout) THEN 'changed'
            ELSE 'same' END AS change, r.path, r.status, r.error, f.id
FROM parameters AS p JOIN catalog_read AS r LEFT JOIN file AS f ON f.node = p.node AND f.path = r.path;
INSERT INTO catalog_became SELECT 'renamed', r.path, 'ok', NULL, r.id FROM catalog_renamed AS r;
INSERT INTO catalog_became SELECT 'gone', path, 'gone', NULL, id FROM catalog_gone;

DELETE FROM content WHERE file IN (SELECT id FROM catalog_became WHERE id IS NOT NULL AND change <> 'renamed' AND id NOT IN (SELECT id FROM catalog_renamed));
INSERT INTO file(node, path, size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, found, changed)
SELECT p.node, r.path, r.size, r.mtime, r.inode, r.status, r.error, r.header_size, r.tensors, r.numel, r.nbytes,
       (SELECT id FROM layout AS y WHERE y.layout = r.layout), r.metadata, t.now, t.now, t.now
FROM parameters AS p, catalog_time AS t, catalog_read AS r WHERE true
ON CONFLICT (node, path) DO UPDATE SET (size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, hash, l2) =
  (excluded.size, excluded.mtime, excluded.inode, excluded.status, excluded.error, excluded.header_size, excluded.tensors, excluded.numel,
   excluded.nbytes, excluded.layout, excluded.metadata, excluded.taken, NULL, NULL);
UPDATE file SET changed = now, found = iif(c.change = 'new', now, found) FROM catalog_time, catalog_became AS c
WHERE c.id = file.id AND c.change IN ('new', 'changed');
INSERT INTO file(node, path, size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, found, changed, hash, l2)
SELECT f.node, r.path, f.size, f.mtime, f.inode, f.status, f.error, f.header_size, f.tensors, f.numel, f.nbytes, f.layout, f.metadata, t.now, t.now, t.now,
       f.hash, f.l2
FROM catalog_time AS t, catalog_renamed AS r JOIN file AS f ON f.id = r.id WHERE true
ON CONFLICT (node, path) DO UPDATE SET (size, mtime, inode, status, error, header_size, tensors, numel, nbytes, layout, metadata, taken, found, changed, hash, l2) =
  (excluded.size, excluded.mtime, excluded.inode, excluded.status, excluded.error, excluded.header_size, excluded.tensors, excluded.numel,
   excluded.nbytes, excluded.layout, excluded.metadata, excluded.taken, excluded.found, excluded.changed, excluded.hash, excluded.l2);
INSERT OR REPLACE INTO content
SELECT f.id, c.n, c.hash, c.n_nan, c.n_inf, c.abs_max, c.l2
FROM parameters AS p JOIN catalog_renamed AS r JOIN file AS f ON f.node = p.node AND f.path = r.path JOIN content AS c ON c.file = r.id;
DELETE FROM content WHERE file IN (SELECT id FROM catalog_gone);
UPDATE file SET status = 'gone', error = NULL, header_size = NULL, tensors = NULL, numel = NULL, nbytes = NULL, layout = NULL, metadata = NULL,
  taken = now, changed = now, hash = NULL, l2 = NULL
FROM catalog_time WHERE id IN (SELECT id FROM catalog_gone);
DELETE FROM catalog_became WHERE change = 'same';
INSERT INTO node SELECT p.node, p.path, t.now FROM parameters AS p, catalog_time AS t WHERE true
ON CONFLICT (node) DO UPDATE SET root = excluded.root, taken = excluded.taken;
RELEASE catalog;

DROP TABLE IF EXISTS temp.catalog_look;
CREATE TEMP TABLE catalog_look AS
SELECT p.node, (SELECT count(*) FROM catalog_listed) AS listed, (SELECT count(*) FROM catalog_read) AS read,
       (SELECT count(*) FROM catalog_renamed) AS renamed,
       (SELECT count(*) FROM catalog_gone) - (SELECT count(*) FROM catalog_renamed) AS gone,
       (SELECT count(*) FROM file AS f WHERE f.node = p.node AND f.status IN ('invalid', 'missing')) AS bad,
       (SELECT count(*) FROM catalog_fresh AS h JOIN layout USING (layout)) AS layouts
FROM parameters AS p;
DROP TABLE IF EXISTS temp.catalog_changes;
CREATE TEMP TABLE catalog_changes AS
SELECT change, path, status, error FROM catalog_became
WHERE change <> 'gone' OR id NOT IN (SELECT id FROM catalog_renamed) ORDER BY status = 'ok', path;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
SELECT safetensors_print(format, 'catalog_look', 'catalog_changes') FROM parameters WHERE format <> 'text';
SELECT printf('%,d %s, %,d read, %,d renamed, %,d gone, %,d bad, %,d new %s: %s.', listed, iif(listed = 1, 'file', 'files'), read, renamed, gone, bad,
              layouts, iif(layouts = 1, 'layout', 'layouts'), safetensors_label(node)) FROM catalog_look, as_text;
SELECT char(10) || '== Cannot be read' FROM as_text, catalog_changes WHERE status IN ('invalid', 'missing') LIMIT 1;
SELECT safetensors_label(path) || ': ' || safetensors_label(ifnull(error, status)) FROM as_text, catalog_changes AS c
WHERE status IN ('invalid', 'missing') ORDER BY path LIMIT 20;
SELECT printf('and %,d more', count(*) - 20) FROM catalog_changes, as_text WHERE status IN ('invalid', 'missing') HAVING count(*) > 20;
