-- Which checkpoints are here, and what has changed?
--
-- Appends the current state to an ordinary table, which keeps all earlier ones, and compares it with the last one of
-- the same path. The script reads only headers; reading the database needs no extension.
--
-- A row of the table `inventory` is one file at one time (UTC): path, taken, file, modified, status, size, tensors,
-- parameters, dtypes, metadata (a JSON object), names (a hash of all names, dtypes and shapes), error. A directory
-- that has become empty has one row that says so, with the status 'missing'. A path that does not exist ends the
-- script. In the shell, the database is the one that is open.
--
-- @param path path required   a directory, a pattern or one checkpoint
-- @database                   the table inventory
-- @table changes(change, file, what)   files added, removed or changed since the last run, and in what
-- @table files_now(file, modified, status, size, tensors, parameters, dtypes, metadata, names, error)   one row per
--    file
-- @example safetensors-sql inventory models --database history.db

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);


CREATE TABLE IF NOT EXISTS inventory(
  path TEXT, taken TEXT, file TEXT, modified TEXT, status TEXT, size INTEGER, tensors INTEGER,
  parameters INTEGER, dtypes TEXT, metadata TEXT, names TEXT, error TEXT,
  PRIMARY KEY(path, taken, file)
);

-- If there is nothing under this path and never was, this raises the error and ends the script. A directory that
-- has become empty is recorded as empty. One that does not exist is not: its disk may only be unmounted.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT count(*) AS files, total(status = 'missing' AND rtrim(file, '/') = rtrim(:path, '/')) AS missing,
                           total(error LIKE '%no such f%') AS unknown
                    FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.files > f.missing AND :path <> '' OR f.unknown = 0
                          AND EXISTS (SELECT 1 FROM inventory WHERE path = :path), NULL, :path)) AS t;

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

-- The last two runs for this path, what each found, and what has changed in between. `label` is the file's name
-- without the directory that all files are in, and short enough for a table.
CREATE TEMP VIEW IF NOT EXISTS times AS
  SELECT path, max(taken) AS now, max(taken) FILTER (WHERE n = 2) AS before
  FROM (SELECT path, taken, row_number() OVER (ORDER BY taken DESC) AS n
        FROM (SELECT DISTINCT path, taken FROM inventory
              WHERE path = (SELECT path FROM parameters)))
  GROUP BY path;
CREATE TEMP VIEW IF NOT EXISTS stock AS
  SELECT i.* FROM inventory AS i JOIN times USING (path)
  WHERE i.file <> i.path OR i.status <> 'missing';
CREATE TEMP VIEW IF NOT EXISTS directory AS
  SELECT iif(substr(last, 1, length(prefix)) = prefix, prefix, '') AS prefix
  FROM (SELECT rtrim(min(file), replace(min(file), '/', '')) AS prefix, max(file) AS last
        FROM stock);
CREATE TEMP VIEW IF NOT EXISTS labelled AS
  SELECT *, CASE WHEN length(short) <= 38 THEN short
                 WHEN prefix = '' THEN '...' || substr(short, -35)
                 ELSE substr(short, 1, 18) || '...' || substr(short, -17) END AS label
  FROM (SELECT s.*, prefix, replace(substr(file, 1 + length(prefix)), '.safetensors', '') AS short
        FROM stock AS s, directory);
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

-- Files that cannot be read are reported first; the table has them, too.
.mode list
.headers off
SELECT printf('warning: %,d of %,d file%s cannot be read:', sum(status <> 'ok'), count(*), iif(count(*) = 1, '', 's'))
FROM files_now HAVING sum(status <> 'ok') > 0;
SELECT error FROM files_now AS f WHERE f.status <> 'ok' ORDER BY f.file LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM files_now AS f WHERE f.status <> 'ok' HAVING count(*) > 0;
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
