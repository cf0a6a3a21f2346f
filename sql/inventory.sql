-- Which models are here, and what has changed?
--
-- Looks at all models of a folder, at any depth, and compares them with what was there the last time. What is new,
-- changed or gone is added to two ordinary tables of the main database, which need no extension to be read; while
-- nothing changes, they do not grow. Headers are read of new and changed files alone, and no tensor.
--
-- model_history has one row per change of a model (UTC): path, taken, change (new, changed, gone), model, kind, status,
-- files, size, tensors, parameters, dtypes, metadata (a JSON object), names (a hash of all names, dtypes and shapes),
-- modified (nanoseconds since 1970; of an address a negative number that changes with the file), error. model_looks
-- has the first and the last time for each path. In the shell, the database is the one that is open. A path that does
-- not exist is not taken: its disk may only be unmounted.
--
-- @param path path required   a folder, a pattern, one checkpoint, or hf:// for the hub's cache
-- @param format enum text|json|csv  how to print the tables
-- @database                   the tables model_history and model_looks
-- @table inventory_now(model, kind, status, change, files, size, tensors, parameters, dtypes, modified, error)   one
--    row per model, what cannot be read first; change is new, changed or NULL
-- @table inventory_changes(change, model, what)   what is new, changed or gone since the last time, and what of it
--    has changed
-- @status 1                   when a model cannot be read
-- @example safetensors-sql inventory models --database history.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

-- What is there, as the list of files knows it. A path that does not exist ends the script here.
DROP TABLE IF EXISTS temp.inventory_found;
CREATE TEMP TABLE inventory_found AS
  SELECT m.model, m.kind, m.status, m.error, m.files, m.tensors, m.numel AS parameters, f.size, f.modified
  FROM (SELECT model, kind, status, error, files, tensors, numel FROM safetensors_models(:path)) AS m
  LEFT JOIN (SELECT model, sum(size) AS size, max(mtime) AS modified
             FROM (SELECT s.model, f.size, ifnull(f.mtime, -1 - (f.inode & 0x3FFFFFFFFFFFFFFF)) AS mtime FROM safetensors_models(:path) AS s, safetensors_files(iif(s.files > 0, s.model, NULL)) AS f)
             GROUP BY model) AS f USING (model);

CREATE TABLE IF NOT EXISTS model_history(
  path TEXT, model TEXT, taken TEXT, change TEXT, kind TEXT, status TEXT, files INTEGER, size INTEGER, tensors INTEGER,
  parameters INTEGER, dtypes TEXT, metadata TEXT, names TEXT, modified INTEGER, error TEXT,
  PRIMARY KEY (path, model, taken)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_looks(path TEXT PRIMARY KEY, first TEXT, last TEXT) WITHOUT ROWID;

DROP TABLE IF EXISTS temp.inventory_time;
CREATE TEMP TABLE inventory_time AS
  SELECT n.path, strftime('%Y-%m-%d %H:%M:%f', 'now') AS now, l.last AS before
  FROM (SELECT iif(:path GLOB '*://' OR rtrim(:path, '/') = '', :path, rtrim(:path, '/')) AS path) AS n LEFT JOIN model_looks AS l USING (path);
-- A folder that has become empty is taken. One that never had a model is not, and its error ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT NOT EXISTS (SELECT 1 FROM inventory_found) AND before IS NULL AS none FROM inventory_time),
  safetensors_tensors(iif(none, :path, NULL)) AS t;

-- The last known state of each model.
DROP TABLE IF EXISTS temp.inventory_before;
CREATE TEMP TABLE inventory_before(
  model TEXT PRIMARY KEY, kind, status, files, size, tensors, parameters, dtypes, metadata, names, modified, error);
INSERT INTO inventory_before
SELECT h.model, h.kind, h.status, h.files, h.size, h.tensors, h.parameters, h.dtypes, h.metadata, h.names, h.modified, h.error
FROM (SELECT model, max(taken) AS taken FROM model_history WHERE path = (SELECT path FROM inventory_time) GROUP BY model) AS l
JOIN model_history AS h ON h.path = (SELECT path FROM inventory_time) AND h.model = l.model AND h.taken = l.taken
WHERE h.change <> 'gone';

-- Their state now. Of what is the same file in the same state the rest is known.
DROP TABLE IF EXISTS temp.inventory_state;
CREATE TEMP TABLE inventory_state AS
  SELECT f.*, b.model IS NULL AS is_new, is_read,
         iif(is_read, (SELECT group_concat(dtype, ',') FROM (SELECT DISTINCT dtype FROM safetensors_tensors(f.model) ORDER BY dtype)), b.dtypes) AS dtypes,
         iif(is_read, (SELECT json_group_object(key, value) FROM (SELECT key, min(value) AS value FROM safetensors_metadata(f.model) GROUP BY key)),
             b.metadata) AS metadata,
         iif(is_read, (SELECT lower(hex(sha3(ifnull(group_concat(name || char(10) || dtype || shape, char(10)), ''), 256)))
                       FROM (SELECT name, dtype, shape FROM safetensors_tensors(f.model) AS t ORDER BY t.name)), b.names) AS names
  FROM (SELECT f.*, f.status IN ('ok', 'empty')
               AND (b.model IS NULL OR (f.status, f.files, f.size, f.modified) IS NOT (b.status, b.files, b.size, b.modified)) AS is_read
        FROM inventory_found AS f LEFT JOIN inventory_before AS b USING (model)) AS f
  LEFT JOIN inventory_before AS b ON b.model = f.model AND f.status IN ('ok', 'empty');
CREATE INDEX temp.inventory_state_by_model ON inventory_state(model);

DROP TABLE IF EXISTS temp.inventory_changes;
CREATE TEMP TABLE inventory_changes AS
  SELECT iif(b.model IS NULL, 'new', 'changed') AS change, s.model,
         iif(b.model IS NULL, NULL, rtrim(
           iif(s.status IS b.status AND s.error IS b.error, '', 'status ') || iif(s.kind IS b.kind, '', 'kind ') || iif(s.files IS b.files, '', 'files ') ||
           iif(s.size IS b.size, '', 'size ') || iif(s.names IS b.names, '', 'names ') || iif(s.metadata IS b.metadata, '', 'metadata ') ||
           iif(s.modified IS b.modified, '', 'modified '))) AS what
  FROM inventory_state AS s LEFT JOIN inventory_before AS b USING (model)
  WHERE what IS NULL OR what <> ''
  UNION ALL
  SELECT 'gone', model, NULL FROM inventory_before AS b
  WHERE b.model NOT IN (SELECT model FROM inventory_found)
    -- below a directory that cannot be listed nobody knows
    AND NOT EXISTS (SELECT 1 FROM inventory_found AS d WHERE d.files = 0 AND d.status = 'invalid' AND substr(b.model, 1, length(d.model)) = d.model);

INSERT INTO model_history
SELECT t.path, c.model, t.now, c.change, s.kind, s.status, s.files, s.size, s.tensors, s.parameters, s.dtypes, s.metadata, s.names, s.modified, s.error
FROM inventory_time AS t, inventory_changes AS c LEFT JOIN inventory_state AS s ON s.model = c.model;
INSERT INTO model_looks SELECT path, now, now FROM inventory_time WHERE true ON CONFLICT(path) DO UPDATE SET last = excluded.last;

DROP TABLE IF EXISTS temp.inventory_now;
CREATE TEMP TABLE inventory_now AS
  SELECT s.model, s.kind, s.status, c.change, s.files, s.size, s.tensors, s.parameters, s.dtypes,
         iif(s.modified < 0, NULL, strftime('%Y-%m-%d %H:%M:%S', s.modified / 1000000000, 'unixepoch')) AS modified, s.error
  FROM inventory_state AS s LEFT JOIN inventory_changes AS c ON c.model = s.model
  ORDER BY s.status IN ('ok', 'empty'), s.size DESC, s.model;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'inventory_now', 'inventory_changes') FROM parameters WHERE format <> 'text';

-- The directory that all are in.
DROP TABLE IF EXISTS temp.inventory_common;
CREATE TEMP TABLE inventory_common AS
  SELECT safetensors_common(rtrim(model, replace(model, '/', ''))) AS common
  FROM (SELECT model FROM inventory_now UNION ALL SELECT model FROM inventory_changes);

SELECT printf('%s%,d model%s in %,d folder%s, %s, %s parameters%s.',
              CASE WHEN before IS NULL THEN 'First look: ' WHEN changes IS NULL THEN 'Nothing has changed since ' || before || ': '
                   ELSE 'Since ' || before || ': ' || changes || '; now ' END,
              n, iif(n = 1, '', 's'), folders, iif(folders = 1, '', 's'), safetensors_pretty(size, 'B'), safetensors_pretty(parameters),
              iif(bad = 0, '', printf('; %,d cannot be read', bad)))
FROM (SELECT count(*) AS n, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders, total(size) AS size, total(parameters) AS parameters,
             total(status NOT IN ('ok', 'empty')) AS bad FROM inventory_now) AS n, inventory_time AS t,
  (SELECT group_concat(iif(change = 'new', printf('%,d new', many), printf('%,d %s', many, change)), ', ') AS changes
   FROM (SELECT change, count(*) AS many FROM inventory_changes GROUP BY change ORDER BY change = 'gone' DESC, change)), as_text;

SELECT char(10) || '== Cannot be read' FROM as_text WHERE EXISTS (SELECT 1 FROM inventory_now WHERE status NOT IN ('ok', 'empty'));
SELECT safetensors_label(ifnull(substr(error, 14), model)) FROM inventory_now AS n, as_text WHERE n.status NOT IN ('ok', 'empty') ORDER BY n.rowid LIMIT 20;
SELECT printf('and %,d more', count(*) - 20) FROM inventory_now, as_text WHERE status NOT IN ('ok', 'empty') HAVING count(*) > 20;

SELECT char(10) || '== Changes since ' || before FROM inventory_time, as_text WHERE before IS NOT NULL AND EXISTS (SELECT 1 FROM inventory_changes);
.mode column --wrap 0
.headers on
SELECT c.change, c.what, safetensors_label(c.model, common) AS model
FROM inventory_changes AS c, inventory_common, inventory_time AS t, as_text WHERE t.before IS NOT NULL
ORDER BY c.change = 'gone' DESC, c.change, c.model LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM inventory_changes, inventory_time AS t, as_text WHERE t.before IS NOT NULL HAVING count(*) > 40;

SELECT char(10) || '== Largest models' FROM as_text WHERE EXISTS (SELECT 1 FROM inventory_now WHERE status IN ('ok', 'empty'));
.mode column --wrap 0
.headers on
SELECT n.kind, printf('%5d', n.files) AS files, printf('%7d', n.tensors) AS tensors, printf('%10s', safetensors_pretty(n.parameters)) AS parameters,
       printf('%8s', safetensors_pretty(n.size, 'B')) AS "   bytes", safetensors_label(iif(length(n.dtypes) > 12, substr(n.dtypes, 1, 9) || '...', n.dtypes)) AS dtypes,
       safetensors_label(n.model, common) AS model
FROM inventory_now AS n, inventory_common, as_text WHERE n.status IN ('ok', 'empty') ORDER BY n.size DESC, n.model LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM inventory_now, as_text WHERE status IN ('ok', 'empty') HAVING count(*) > 20;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'a model cannot be read');
END;
INSERT INTO verdict SELECT count(*) FROM inventory_now WHERE status NOT IN ('ok', 'empty');
.mode column
.headers on
