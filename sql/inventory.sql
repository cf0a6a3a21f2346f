-- Which checkpoints are in a folder, and what has changed since the last look? Takes stock into one
-- ordinary table, which keeps what it was told before.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path models/*.safetensors" \
--           history.db < sql/inventory.sql
--
-- :path is a folder, a pattern or one checkpoint; compared is what was taken under the same :path.
-- Reads headers only. A row of the table `inventory` is one file at one time (UTC): path, taken,
-- file, modified, status, size, tensors, parameters, dtypes, metadata (a JSON object), names (a
-- fingerprint of all names, dtypes and shapes), error. A path under which there is no file has one
-- row that says so, with status 'missing'. history.db needs no extension to be read.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

CREATE TABLE IF NOT EXISTS inventory(
  path TEXT, taken TEXT, file TEXT, modified TEXT, status TEXT, size INTEGER, tensors INTEGER,
  parameters INTEGER, dtypes TEXT, metadata TEXT, names TEXT, error TEXT,
  PRIMARY KEY(path, taken, file)
);

INSERT INTO inventory
SELECT :path, strftime('%Y-%m-%d %H:%M:%f', 'now'), f.file,
       iif(f.status = 'ok', (SELECT datetime(mtime, 'unixepoch') FROM fsdir(f.file)), NULL),
       f.status, f.size, f.tensors, f.numel,
       iif(f.status = 'ok', (
         SELECT group_concat(dtype, ',')
         FROM (SELECT DISTINCT dtype FROM safetensors_tensors(f.file) ORDER BY dtype)), NULL),
       iif(f.status = 'ok', (
         SELECT json_group_object(key, value) FROM safetensors_metadata(f.file)), NULL),
       iif(f.status = 'ok', (
         SELECT lower(hex(sha3(ifnull(group_concat(name || char(10) || dtype || shape, char(10)),
                                      ''), 256)))
         FROM safetensors_tensors(f.file)), NULL),
       f.error
FROM safetensors_files(:path) AS f;

-- The two last times of this path, what was there, and what has changed in between. `label` is the
-- file's name without the folder that all are in, and short enough for a table.
CREATE TEMP VIEW IF NOT EXISTS times AS
  SELECT path, max(taken) AS now, max(taken) FILTER (WHERE n = 2) AS before
  FROM (SELECT path, taken, row_number() OVER (ORDER BY taken DESC) AS n
        FROM (SELECT DISTINCT path, taken FROM inventory
              WHERE path = (SELECT value FROM temp.sqlite_parameters WHERE key = ':path')))
  GROUP BY path;
CREATE TEMP VIEW IF NOT EXISTS stock AS
  SELECT i.* FROM inventory AS i JOIN times USING (path)
  WHERE i.file <> i.path OR i.status <> 'missing';
CREATE TEMP VIEW IF NOT EXISTS folder AS
  SELECT iif(substr(last, 1, length(prefix)) = prefix, prefix, '') AS prefix
  FROM (SELECT rtrim(min(file), replace(min(file), '/', '')) AS prefix, max(file) AS last
        FROM stock);
CREATE TEMP VIEW IF NOT EXISTS labelled AS
  SELECT *, CASE WHEN length(short) <= 38 THEN short
                 WHEN prefix = '' THEN '...' || substr(short, -35)
                 ELSE substr(short, 1, 18) || '...' || substr(short, -17) END AS label
  FROM (SELECT s.*, prefix, replace(substr(file, 1 + length(prefix)), '.safetensors', '') AS short
        FROM stock AS s, folder);
CREATE TEMP VIEW IF NOT EXISTS files_now AS
  SELECT i.* FROM times AS t JOIN labelled AS i ON i.path = t.path AND i.taken = t.now;
CREATE TEMP VIEW IF NOT EXISTS files_before AS
  SELECT i.* FROM times AS t JOIN labelled AS i ON i.path = t.path AND i.taken = t.before;
CREATE TEMP VIEW IF NOT EXISTS changes AS
  SELECT CASE WHEN b.file IS NULL THEN 'added' WHEN n.file IS NULL THEN 'removed' ELSE 'changed'
         END AS change, file, ifnull(n.label, b.label) AS label,
         CASE WHEN b.file IS NULL OR n.file IS NULL THEN ''
              ELSE rtrim(iif(n.status IS b.status, '', 'status ') ||
                         iif(n.size IS b.size, '', 'size ') ||
                         iif(n.names IS b.names, '', 'names ') ||
                         iif(n.metadata IS b.metadata, '', 'metadata ') ||
                         iif(n.modified IS b.modified, '', 'modified ')) END AS what
  FROM files_now AS n FULL JOIN files_before AS b USING (file)
  WHERE (SELECT before FROM times) IS NOT NULL
    AND (b.file IS NULL OR n.file IS NULL OR what <> '');

.mode column
.headers on

.print == Taken
SELECT (SELECT now FROM times) AS time_utc, count(*) AS files, sum(status = 'ok') AS ok,
       safetensors_pretty(total(parameters)) AS parameters,
       safetensors_pretty(total(size), 'B') AS bytes
FROM files_now HAVING count(*) > 0;
.mode list
.headers off
SELECT error FROM safetensors_files(:path) WHERE NOT EXISTS (SELECT 1 FROM files_now);
.mode column
.headers on
.print

.print == Largest files
SELECT label AS file, ifnull(tensors, status) AS tensors,
       printf('%8s', safetensors_pretty(size, 'B')) AS "   bytes",
       iif(length(dtypes) > 12, substr(dtypes, 1, 9) || '...', dtypes) AS dtypes
FROM files_now AS f ORDER BY f.size DESC, f.file LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM files_now HAVING count(*) > 20;
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM files_now);
.mode column
.headers on
.print

.print == Changes since the last time
SELECT change, label AS file, what FROM changes AS c ORDER BY c.change, c.file;
.mode list
.headers off
SELECT iif(before IS NULL, 'This path was not taken before.', 'None since ' || before || '.')
FROM times WHERE NOT EXISTS (SELECT 1 FROM changes);
.mode column
.headers on
