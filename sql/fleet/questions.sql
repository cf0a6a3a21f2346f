-- What is there, on which machine, and what came from what?
--
-- Puts the questions about a catalogue into it, as views that any SQLite reads, and prints the beginning of each
-- answer. Ask a view itself for more: SELECT * FROM sharing WHERE path_a = 'base.safetensors'.
--
-- copies: files with the same tensors, names and bytes; what the others free if the first is kept. Two paths that lead
-- to one file, also by two machines, free nothing. sharing: pairs of files with equal tensors, but for those whose
-- elements are all of one magnitude, as zeros are; of a tensor that more than 64 files have, pairs with the first of
-- them. lineage: the nearest older file of each: that with the largest share of equal bytes, else, among those with
-- the same layout, that whose norms are nearest, within 2 %, which need not be its base; norm_change is how far they
-- are, at most the relative change of the weights. nan_census, architectures (layouts), dtypes, changes and nodes say
-- what their names do.
--
-- copies, sharing, lineage and nan_census know only what `fleet content` has read.
--
-- @param since text           the changes from this day on, as 2026-11-30; by default those of the last 7 days
-- @param format enum text|json|csv  how to print the tables
-- @database                   the views
-- @table fleet_copies(set_number, node, path, nbytes, keep, frees)   one row per file that has a copy
-- @table fleet_sharing(node_a, path_a, node_b, path_b, tensors, nbytes, share_a, share_b)   one row per pair of files:
--    how much they share, and as a share of the bytes of each
-- @table fleet_lineage(node, path, base_node, base_path, shared, norm_change)   one row per file that has a base
-- @table fleet_nan(node, path, tensors, n_nan, first)   one row per file with NaN
-- @table fleet_architectures(layout, files, nodes, tensors, numel, nbytes, layers, dtypes, example)   one row per
--    layout
-- @table fleet_dtypes(dtype, files, tensors, nbytes)   one row per dtype
-- @table fleet_changes(changed, change, node, path, status)   one row per file that is new, changed or gone since then
-- @table fleet_nodes(node, root, look, hours, files, bad, gone, nbytes, unread)   one row per node: its last look, how
--    many hours ago by this machine's clock, and files of which a tensor's bytes are not known
-- @example safetensors-sql fleet questions --database part.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  since TEXT CONSTRAINT ":since is a day, as 2026-11-30" CHECK (since IS NULL OR date(since) IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :since, ifnull(:format, 'text') WHERE safetensors_parameters(':since', ':format');
.mode list
.headers off

DROP TABLE IF EXISTS temp.questions_needs;
CREATE TEMP TABLE questions_needs(nodes INTEGER CONSTRAINT "the database is a catalogue (fleet catalog, fleet merge)" CHECK (nodes > 0));
INSERT INTO questions_needs SELECT count(*) FROM sqlite_schema WHERE name IN ('node', 'file', 'layout', 'layout_tensor', 'content') HAVING count(*) < 5;

DROP VIEW IF EXISTS copies;
CREATE VIEW copies AS
WITH known AS (
  SELECT node, path, size, nbytes, layout || ':' || hash AS content, inode || ':' || ifnull(mtime, 0) || ':' || size AS place
  FROM file WHERE status = 'ok' AND hash IS NOT NULL
),
sets AS (
  SELECT *, row_number() OVER w AS n, first_value(place) OVER w AS kept, row_number() OVER (PARTITION BY content, place ORDER BY node, path) AS link
  FROM known WHERE content IN (SELECT content FROM known GROUP BY content HAVING count(*) > 1)
  WINDOW w AS (PARTITION BY content ORDER BY node, path)
),
priced AS (
  SELECT *, iif(place <> kept AND link = 1, size, 0) AS frees, sum(iif(place <> kept AND link = 1, size, 0)) OVER (PARTITION BY content) AS total FROM sets
)
SELECT dense_rank() OVER (ORDER BY total DESC, content) AS set_number, node, path, nbytes, n = 1 AS keep, frees FROM priced ORDER BY 1, node, path;

-- A hash is one of its tensors; a pair has it once.
DROP VIEW IF EXISTS sharing;
CREATE VIEW sharing AS
WITH hashes AS (
  SELECT h.hash, h.files, h.first, t.nbytes
  FROM (SELECT hash, count(DISTINCT file) AS files, min(file) AS first, n, n_nan + n_inf AS odd, abs_max, l2 FROM content GROUP BY hash) AS h
  JOIN file AS f ON f.id = h.first JOIN layout_tensor AS t ON t.layout = f.layout AND t.n = h.n
  WHERE h.files > 1 AND t.numel > 1 AND (h.odd > 0 OR h.l2 * h.l2 < t.numel * h.abs_max * h.abs_max * (1 - 1e-9))
),
pairs AS (
  SELECT DISTINCT a.file AS a, b.file AS b, h.hash, h.nbytes
  FROM hashes AS h JOIN content AS a ON a.hash = h.hash JOIN content AS b ON b.hash = h.hash AND b.file > a.file
  WHERE h.files <= 64 OR a.file = h.first
)
SELECT a.id AS file_a, b.id AS file_b, a.node AS node_a, a.path AS path_a, b.node AS node_b, b.path AS path_b, count(*) AS tensors, sum(p.nbytes) AS nbytes,
       1.0 * sum(p.nbytes) / a.nbytes AS share_a, 1.0 * sum(p.nbytes) / b.nbytes AS share_b
FROM pairs AS p JOIN file AS a ON a.id = p.a JOIN file AS b ON b.id = p.b GROUP BY p.a, p.b ORDER BY nbytes DESC;

DROP VIEW IF EXISTS lineage;
CREATE VIEW lineage AS
WITH shares AS MATERIALIZED (
  SELECT iif(ifnull(a.mtime, a.found) > ifnull(b.mtime, b.found), a.id, b.id) AS id, iif(ifnull(a.mtime, a.found) > ifnull(b.mtime, b.found), b.id, a.id) AS base, iif(ifnull(a.mtime, a.found) > ifnull(b.mtime, b.found), s.share_a, s.share_b) AS shared
  FROM sharing AS s JOIN file AS a ON a.id = s.file_a JOIN file AS b ON b.id = s.file_b WHERE a.hash IS NOT b.hash
),
alike AS MATERIALIZED (
  SELECT id, layout, ifnull(mtime, found) AS mtime, hash, row_number() OVER (PARTITION BY layout ORDER BY l2, id) AS place FROM file WHERE status = 'ok' AND l2 > 0
),
near AS MATERIALIZED (
  SELECT a.id, b.id AS base,
         (SELECT sqrt(sum((x.l2 - y.l2) * (x.l2 - y.l2)) / sum(y.l2 * y.l2)) FROM content AS x JOIN content AS y ON y.file = b.id AND y.n = x.n WHERE x.file = a.id) AS norm_change
  FROM alike AS a JOIN alike AS b ON b.layout = a.layout AND b.place BETWEEN a.place - 8 AND a.place + 8 AND (b.mtime, b.id) < (a.mtime, a.id) AND a.hash <> b.hash
  WHERE a.id NOT IN (SELECT id FROM shares)
),
found AS (
  SELECT id, base, shared, NULL AS norm_change FROM shares UNION ALL SELECT id, base, 0, norm_change FROM near WHERE norm_change < 0.02
),
ranked AS (
  SELECT c.*, row_number() OVER (PARTITION BY c.id ORDER BY c.shared DESC, c.norm_change, ifnull(b.mtime, b.found), b.id) AS n FROM found AS c JOIN file AS b ON b.id = c.base
)
SELECT f.node, f.path, b.node AS base_node, b.path AS base_path, r.shared, r.norm_change
FROM ranked AS r JOIN file AS f USING (id) JOIN file AS b ON b.id = r.base WHERE r.n = 1 ORDER BY r.shared DESC, r.norm_change;

DROP VIEW IF EXISTS nan_census;
CREATE VIEW nan_census AS
SELECT f.node, f.path, c.tensors, c.n_nan, t.name AS first
FROM (SELECT file, count(*) AS tensors, sum(n_nan) AS n_nan, min(n) AS n FROM content WHERE n_nan > 0 GROUP BY file) AS c
JOIN file AS f ON f.id = c.file LEFT JOIN layout_tensor AS t ON t.layout = f.layout AND t.n = c.n ORDER BY c.n_nan DESC, f.node, f.path;

DROP VIEW IF EXISTS architectures;
CREATE VIEW architectures AS
SELECT y.layout, f.files, f.nodes, y.tensors, y.numel, y.nbytes * f.files AS nbytes, t.layers, t.dtypes, f.example
FROM (SELECT layout, count(*) AS files, count(DISTINCT node) AS nodes, min(path) AS example FROM file WHERE status = 'ok' GROUP BY layout) AS f
JOIN layout AS y ON y.id = f.layout
LEFT JOIN (SELECT layout, count(DISTINCT layer) AS layers, group_concat(DISTINCT dtype) AS dtypes FROM layout_tensor GROUP BY layout) AS t ON t.layout = f.layout
ORDER BY nbytes DESC;

DROP VIEW IF EXISTS dtypes;
CREATE VIEW dtypes AS
SELECT t.dtype, sum(f.files) AS files, sum(t.tensors * f.files) AS tensors, sum(t.nbytes * f.files) AS nbytes
FROM (SELECT layout, dtype, count(*) AS tensors, sum(nbytes) AS nbytes FROM layout_tensor GROUP BY layout, dtype) AS t
JOIN (SELECT layout, count(*) AS files FROM file WHERE status = 'ok' GROUP BY layout) AS f USING (layout) GROUP BY t.dtype ORDER BY nbytes DESC;

DROP VIEW IF EXISTS changes;
CREATE VIEW changes AS
SELECT datetime(changed / 1000000000, 'unixepoch') AS changed, CASE WHEN status = 'gone' THEN 'gone' WHEN changed = found THEN 'new' ELSE 'changed' END AS change,
       node, path, status FROM file ORDER BY file.changed DESC, node, path;

DROP VIEW IF EXISTS nodes;
CREATE VIEW nodes AS
SELECT n.node, n.root, datetime(n.taken / 1000000000, 'unixepoch') AS look,
       round((julianday('now') - 2440587.5) * 24 - n.taken / 3.6e12, 1) AS hours, f.files, f.bad, f.gone, f.nbytes, f.unread
FROM node AS n LEFT JOIN (
  SELECT node, count(*) FILTER (WHERE status <> 'gone') AS files, count(*) FILTER (WHERE status IN ('invalid', 'missing')) AS bad,
         count(*) FILTER (WHERE status = 'gone') AS gone, ifnull(sum(nbytes), 0) AS nbytes,
         count(*) FILTER (WHERE status = 'ok' AND tensors > 0 AND hash IS NULL) AS unread FROM file GROUP BY node) AS f USING (node) ORDER BY n.node;

DROP TABLE IF EXISTS temp.fleet_copies;
CREATE TEMP TABLE fleet_copies AS SELECT * FROM copies;
DROP TABLE IF EXISTS temp.fleet_sharing;
CREATE TEMP TABLE fleet_sharing AS SELECT node_a, path_a, node_b, path_b, tensors, nbytes, share_a, share_b FROM sharing;
DROP TABLE IF EXISTS temp.fleet_lineage;
CREATE TEMP TABLE fleet_lineage AS SELECT * FROM lineage;
DROP TABLE IF EXISTS temp.fleet_nan;
CREATE TEMP TABLE fleet_nan AS SELECT * FROM nan_census;
DROP TABLE IF EXISTS temp.fleet_architectures;
CREATE TEMP TABLE fleet_architectures AS SELECT * FROM architectures;
DROP TABLE IF EXISTS temp.fleet_dtypes;
CREATE TEMP TABLE fleet_dtypes AS SELECT * FROM dtypes;
DROP TABLE IF EXISTS temp.fleet_changes;
CREATE TEMP TABLE fleet_changes AS
SELECT c.* FROM parameters AS p, changes AS c
WHERE c.changed >= ifnull(date(p.since), (SELECT datetime(max(taken) / 1000000000, 'unixepoch', '-7 days') FROM node));
DROP TABLE IF EXISTS temp.fleet_nodes;
CREATE TEMP TABLE fleet_nodes AS SELECT * FROM nodes;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
SELECT safetensors_print(format, 'fleet_copies', 'fleet_sharing', 'fleet_lineage', 'fleet_nan', 'fleet_architectures', 'fleet_dtypes', 'fleet_changes', 'fleet_nodes')
FROM parameters WHERE format <> 'text';
SELECT printf('%,d %s with NaN, copies that take %s, %,d tunes with a base: %,d files of %,d %s.', (SELECT count(*) FROM fleet_nan),
              iif((SELECT count(*) FROM fleet_nan) = 1, 'file', 'files'), safetensors_pretty((SELECT total(frees) FROM fleet_copies), 'B'),
              (SELECT count(*) FROM fleet_lineage), total(files), count(*), iif(count(*) = 1, 'node', 'nodes'))
FROM fleet_nodes HAVING (SELECT 1 FROM as_text);
SELECT printf('The tensors of %,d files have not all been read: see fleet content.', sum(unread)) FROM fleet_nodes HAVING sum(unread) > 0 AND (SELECT 1 FROM as_text);

SELECT char(10) || '== NaN' FROM as_text, fleet_nan LIMIT 1;
.mode column --wrap 0
.headers on
SELECT printf('%8d', n_nan) AS NaNs, printf('%8d', tensors) AS tensors, safetensors_label(node) AS node, safetensors_label(path) AS path FROM as_text, fleet_nan LIMIT 10;
.mode list
.headers off
SELECT char(10) || '== Copies' FROM as_text, fleet_copies WHERE frees > 0 LIMIT 1;
.mode column --wrap 0
.headers on
SELECT printf('%4d', set_number) AS "set", iif(keep, '    keep', printf('%8s', safetensors_pretty(frees, 'B'))) AS "   frees", safetensors_label(node) AS node,
       safetensors_label(path) AS path
FROM as_text, fleet_copies WHERE set_number IN (SELECT set_number FROM fleet_copies WHERE frees > 0) LIMIT 20;
.mode list
.headers off
SELECT char(10) || '== Lineage' FROM as_text, fleet_lineage LIMIT 1;
.mode column --wrap 0
.headers on
SELECT iif(shared > 0, printf('%5.1f%% shared', 100 * shared), printf('norms %4.1f%% apart', 100 * norm_change)) AS how,
       safetensors_label(path) || ' < ' || safetensors_label(base_path) AS "file < its base"
FROM as_text, fleet_lineage LIMIT 20;
.mode list
.headers off
SELECT char(10) || '== Architectures' FROM as_text, fleet_architectures LIMIT 1;
.mode column --wrap 0
.headers on
SELECT printf('%6d', files) AS files, printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", printf('%7d', tensors) AS tensors, printf('%6d', layers) AS layers,
       safetensors_label(iif(length(dtypes) > 12, substr(dtypes, 1, 9) || '...', dtypes)) AS dtypes, safetensors_label(example) AS example
FROM as_text, fleet_architectures LIMIT 10;
.mode list
.headers off
SELECT char(10) || '== Nodes' FROM as_text, fleet_nodes LIMIT 1;
.mode column --wrap 0
.headers on
SELECT printf('%7d', files) AS "  files", printf('%5d', bad) AS "  bad", printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", look AS "last look (UTC)",
       printf('%9.1f', hours) AS "hours ago", safetensors_label(node) AS node FROM as_text, fleet_nodes LIMIT 40;
.mode list
.headers off
SELECT char(10) || '== Changes' FROM as_text, fleet_changes LIMIT 1;
.mode column --wrap 0
.headers on
SELECT change, count(*) AS files, max(changed) AS "the last (UTC)", safetensors_label(node) AS node FROM fleet_changes
WHERE (SELECT 1 FROM as_text) GROUP BY node, change ORDER BY change = 'gone' DESC, change, node LIMIT 20;
