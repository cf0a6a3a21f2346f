-- Reads the tensors of a node, as far as their bytes matter.
--
-- Fills the table content of a catalogue, which `fleet catalog` has made, with the hash of each tensor, its NaNs and
-- infinities, its largest magnitude and its norm. It runs on the machine that has the files. What is known already is
-- not read again.
--
-- For copies and shared tensors, only those matter whose dtype and shape another file of the catalogue has, of any
-- node: so first merge the parts, and then read on each machine what the whole asks for. For a census of NaN, all do.
-- Files that have changed since the last look wait for the next one, and so do files that were written within two
-- seconds of it.
--
-- @param node text required   the name of this machine in the catalogue
-- @param reads enum duplicates|all  which tensors: those that another file may have, too, or all
-- @param paths text *         only files whose path matches, with * and ?
-- @param most real            stop after so many GB; what is left is for the next run. Without it, read all
-- @param format enum text|json|csv  how to print the tables
-- @database                   the table content, and hash and l2 of file
-- @table content_look(node, files, tensors, nbytes, left_files, left_tensors, left_nbytes)   one row: what was read,
--    and what is left
-- @example safetensors-sql fleet content here --database part.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  node TEXT CONSTRAINT ":node is set" CHECK (node IS NOT NULL),
  reads TEXT CONSTRAINT ":reads is duplicates or all" CHECK (reads IN ('duplicates', 'all')),
  paths TEXT, most REAL CONSTRAINT ":most is a number of GB" CHECK (most IS NULL OR (typeof(most) = 'real' AND most > 0)),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :node, ifnull(:reads, 'duplicates'), ifnull(:paths, '*'), :most, ifnull(:format, 'text')
WHERE safetensors_parameters(':node', ':reads', ':paths', ':most', ':format');
.mode list
.headers off

DROP TABLE IF EXISTS temp.content_needs;
CREATE TEMP TABLE content_needs(
  known INTEGER CONSTRAINT "the catalogue has :node" CHECK (known > 0),
  found INTEGER CONSTRAINT "a file of the node matches :paths" CHECK (found > 0)
);
INSERT INTO content_needs
SELECT (SELECT count(*) FROM node AS n WHERE n.node = p.node),
       paths = '*' OR EXISTS (SELECT 1 FROM file AS f WHERE f.node = p.node AND f.path GLOB p.paths)
FROM parameters AS p;

-- ---- Which tensors ----

DROP TABLE IF EXISTS temp.content_shapes;
CREATE TEMP TABLE content_shapes(dtype TEXT, shape TEXT, PRIMARY KEY (dtype, shape)) WITHOUT ROWID;
INSERT INTO content_shapes
SELECT t.dtype, t.shape
FROM (SELECT layout, count(*) AS files FROM file WHERE status = 'ok' GROUP BY layout) AS f
JOIN (SELECT DISTINCT layout, dtype, shape FROM layout_tensor) AS t ON t.layout = f.layout
GROUP BY t.dtype, t.shape HAVING sum(f.files) > 1 OR (SELECT reads FROM parameters) = 'all';

DROP TABLE IF EXISTS temp.content_files;
CREATE TEMP TABLE content_files AS
SELECT f.id, rtrim(n.root, '/') || '/' || f.path AS file, f.layout, f.size, f.mtime, f.inode
FROM parameters AS p JOIN node AS n USING (node) JOIN file AS f USING (node)
WHERE f.status = 'ok' AND f.tensors > 0 AND f.path GLOB p.paths AND ifnull(f.mtime, 0) < f.taken - 2000000000;
DELETE FROM content_files WHERE (size, mtime, inode) IS NOT (SELECT size, mtime, inode FROM safetensors_files(content_files.file));

DROP TABLE IF EXISTS temp.content_wanted;
CREATE TEMP TABLE content_wanted AS
SELECT f.id, f.file, t.n, t.name, t.nbytes, sum(t.nbytes) OVER (ORDER BY f.id, t.n) - t.nbytes AS before
FROM content_files AS f JOIN layout_tensor AS t ON t.layout = f.layout JOIN content_shapes AS s USING (dtype, shape)
WHERE NOT EXISTS (SELECT 1 FROM content AS c WHERE c.file = f.id AND c.n = t.n);

-- ---- Their bytes ----

SAVEPOINT content;
DROP TABLE IF EXISTS temp.content_errors;
CREATE TEMP TABLE content_errors AS SELECT safetensors_config('errors') AS before;
DROP TABLE IF EXISTS temp.content_nothing;
CREATE TEMP TABLE content_nothing AS SELECT safetensors_config('errors', 'skip');
INSERT INTO content
SELECT w.id, w.n, tensor_hash(w.ref) AS hash, s.n_nan, s.n_inf, s.abs_max, s.l2
FROM (SELECT w.*, tensor_ref(w.file, w.name) AS ref FROM parameters AS p, content_wanted AS w WHERE w.before < ifnull(p.most * 1e9, 9e18)) AS w
CROSS JOIN tensor_stats(w.ref) AS s;
INSERT INTO content_nothing SELECT safetensors_config('errors', before) FROM content_errors;
-- What was replaced before it was read is not what the catalogue means.
DROP TABLE IF EXISTS temp.content_changed;
CREATE TEMP TABLE content_changed AS
SELECT id FROM content_files AS f WHERE (size, mtime, inode) IS NOT (SELECT size, mtime, inode FROM safetensors_files(f.file));
DELETE FROM content WHERE file IN (SELECT id FROM content_changed);

DROP TABLE IF EXISTS temp.content_whole;
CREATE TEMP TABLE content_whole AS
SELECT f.id FROM file AS f WHERE f.id IN (SELECT id FROM content_wanted) AND f.tensors = (SELECT count(hash) FROM content AS c WHERE c.file = f.id);
UPDATE file SET
  hash = (SELECT tensor_hash(CAST(group_concat(hash, char(10)) AS BLOB), 'U8') FROM (SELECT hash FROM content AS c WHERE c.file = file.id ORDER BY n)),
  l2 = (SELECT sqrt(sum(l2 * l2)) FROM content AS c WHERE c.file = file.id)
WHERE id IN (SELECT id FROM content_whole);
RELEASE content;

DROP TABLE IF EXISTS temp.content_look;
CREATE TEMP TABLE content_look AS
SELECT p.node, count(DISTINCT iif(known, w.id, NULL)) AS files, total(known) AS tensors, total(iif(known, nbytes, 0)) AS nbytes,
       count(DISTINCT iif(known, NULL, w.id)) AS left_files, total(NOT known) AS left_tensors, total(iif(known, 0, nbytes)) AS left_nbytes
FROM parameters AS p LEFT JOIN (
  SELECT w.*, EXISTS (SELECT 1 FROM content AS c WHERE c.file = w.id AND c.n = w.n) AS known FROM content_wanted AS w) AS w;
UPDATE content_look SET tensors = CAST(tensors AS INTEGER), nbytes = CAST(nbytes AS INTEGER), left_tensors = CAST(left_tensors AS INTEGER),
  left_nbytes = CAST(left_nbytes AS INTEGER);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
SELECT safetensors_print(format, 'content_look') FROM parameters WHERE format <> 'text';
SELECT printf('%,d %s of %,d %s read, %s: %s.', tensors, iif(tensors = 1, 'tensor', 'tensors'), files, iif(files = 1, 'file', 'files'),
              safetensors_pretty(nbytes, 'B'), safetensors_label(node)) FROM content_look, as_text;
SELECT printf('%,d tensors of %,d files are left, %s.', left_tensors, left_files, safetensors_pretty(left_nbytes, 'B'))
FROM content_look, as_text WHERE left_tensors > 0;
