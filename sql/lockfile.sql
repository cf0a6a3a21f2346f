-- Is everything as it was when it was locked?
--
-- Without `check`, writes a lock: a file of JSON Lines with the path, size and SHA-256 of each file, and with `tensors`
-- also one line per tensor. With `check`, compares the files with a lock, and says what has changed since: files that
-- differ, are gone or are new, and which tensors in them, if the lock has these.
--
-- A line is {"file":NAME,"size":BYTES,"sha256":DIGITS} or {"file":NAME,"tensor":NAME,"dtype":DTYPE,"shape":[...],
-- "sha256":DIGITS}. Names of files count from the directory of the path, so a model can be checked at another place.
-- Of a file at an address of the hub the digest is the one that the hub publishes.
-- In a directory all files count, to any depth, but for .git, .cache and the lock itself.
--
-- @param path path required   the checkpoint: a directory, a file, an index, a pattern or hf://NAME
-- @param lock path required   the lock to write, or to check
-- @param check flag           compare with the lock; otherwise it is written
-- @param tensors flag         write a line per tensor, too
-- @param replace flag         replace a lock that is there
-- @param format enum text|json|csv|junit|sarif   how to print the tables
-- @table locked(file, size, sha256, tensor, dtype, shape)   what is there now, as lines of a lock
-- @table lock_changes(file, tensor, change, before, now)   one row per difference; change is differs, gone or new
-- @table lock_checked(rule, level, file, tensor, message)   the same as junit and sarif print it, and a row that is ok
--    for each file that is as it was, or is locked now
-- @status 1                   when something has changed
-- @writes lock
-- @example safetensors-sql lockfile model_directory model.lock
-- @example safetensors-sql lockfile model_directory model.lock --check

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  lock TEXT CONSTRAINT ":lock is set" CHECK (lock IS NOT NULL AND lock <> '')
    CONSTRAINT ":lock is on this machine, as nothing is written to addresses" CHECK (lock NOT LIKE '%://%'),
  "check" INTEGER, tensors INTEGER, "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif"
    CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif')),
  there INTEGER CONSTRAINT ":lock is not there, or :replace or :check is set" CHECK (there IS NULL OR "check" OR "replace")
    CONSTRAINT ":lock is there" CHECK (there IS NOT NULL OR NOT "check")
);
INSERT INTO parameters
SELECT :path, :lock, ifnull(:check, 0), ifnull(:tensors, 0), ifnull(:replace, 0), ifnull(:format, 'text'), length(readfile(:lock))
WHERE safetensors_parameters(':path', ':lock', ':check', ':tensors', ':replace', ':format');

-- The lines of the lock.
DROP TABLE IF EXISTS temp.lock_lines;
CREATE TEMP TABLE lock_lines(
  line TEXT CONSTRAINT ":lock has a JSON object on each line" CHECK (json_valid(line) AND json_type(line) = 'object')
    CONSTRAINT ":lock has files and digests" CHECK (json_type(line, '$.file') = 'text' AND json_type(line, '$.sha256') = 'text')
);
INSERT INTO lock_lines
  WITH split(line, rest) AS (
    SELECT NULL, CAST(readfile(lock) AS TEXT) || char(10) FROM parameters WHERE "check"
    UNION ALL
    SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1) FROM split WHERE rest <> ''
  )
  SELECT line FROM split WHERE trim(line, ' ' || char(9, 13)) <> '';
DROP TABLE IF EXISTS temp.lock_before;
CREATE TEMP TABLE lock_before AS
  SELECT line ->> '$.file' AS file, line ->> '$.size' AS size, line ->> '$.sha256' AS sha256, line ->> '$.tensor' AS tensor,
         line ->> '$.dtype' AS dtype, line -> '$.shape' AS shape
  FROM lock_lines;

-- The files, without the directory of the path.
DROP TABLE IF EXISTS temp.lock_files;
CREATE TEMP TABLE lock_files AS
  WITH files AS (SELECT file, max(iif(claim = 'hub list' AND algorithm = 'sha256' AND file LIKE '%://%', expected, NULL)) AS published
                 FROM safetensors_verify(:path) GROUP BY file),
       directory AS (
         SELECT iif(d <> '' AND NOT EXISTS (SELECT 1 FROM files WHERE substr(file, 1, length(d)) <> d), d, '') AS d
         FROM (SELECT iif(EXISTS (SELECT 1 FROM files WHERE substr(file, 1, length(:path) + 1) = rtrim(:path, '/') || '/'),
                          rtrim(:path, '/') || '/', rtrim(min(file), replace(min(file), '/', ''))) AS d FROM files))
  SELECT f.file AS path, f.published, substr(f.file, 1 + length(d)) AS file, iif(is_index, 'index', s.status) AS status,
         iif(is_index, length(readfile(f.file)), s.size) AS size
  FROM (SELECT *, file LIKE '%.safetensors.index.json' AS is_index FROM files) AS f, directory
  LEFT JOIN safetensors_files(iif(is_index, NULL, f.file)) AS s
  WHERE f.file <> :lock AND f.file <> './' || :lock;

DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(files CONSTRAINT ":path has files" CHECK (files > 0));
INSERT INTO needs SELECT count(*) FROM lock_files;

DROP TABLE IF EXISTS temp.locked;
CREATE TEMP TABLE locked AS
  SELECT file, size, ifnull(published, safetensors_digest(path, 'sha256')) AS sha256, NULL AS tensor, NULL AS dtype, NULL AS shape
  FROM lock_files WHERE status <> 'missing';
INSERT INTO locked
  SELECT f.file, NULL, tensor_sha256(t.ref), t.name, t.dtype, t.shape
  FROM parameters AS p, lock_files AS f, safetensors_tensors(iif(f.status = 'ok', f.path, NULL)) AS t
  WHERE p.tensors OR p."check" AND f.file IN (
    SELECT b.file FROM lock_before AS b JOIN locked AS l ON l.file = b.file AND b.tensor IS NULL AND l.tensor IS NULL AND l.sha256 <> b.sha256)
    AND f.file IN (SELECT file FROM lock_before WHERE tensor IS NOT NULL);

DROP TABLE IF EXISTS temp.lock_changes;
CREATE TEMP TABLE lock_changes AS
  SELECT b.file, b.tensor,
         CASE WHEN l.file IS NULL THEN 'gone' ELSE 'differs' END AS change,
         ifnull(b.dtype || ' ' || json(b.shape) || ' ', '') || b.sha256 AS before,
         ifnull(l.dtype || ' ' || json(l.shape) || ' ', '') || l.sha256 AS now
  FROM lock_before AS b LEFT JOIN locked AS l ON l.file = b.file AND l.tensor IS b.tensor
  WHERE (l.sha256 IS NOT b.sha256 OR l.dtype IS NOT b.dtype OR l.shape IS NOT b.shape)
    AND (b.tensor IS NULL OR b.file IN (SELECT file FROM locked WHERE tensor IS NOT NULL));
INSERT INTO lock_changes
  SELECT l.file, l.tensor, 'new', NULL, ifnull(l.dtype || ' ' || json(l.shape) || ' ', '') || l.sha256
  FROM parameters AS p, locked AS l
  WHERE p."check" AND NOT EXISTS (SELECT 1 FROM lock_before AS b WHERE b.file = l.file AND b.tensor IS l.tensor)
    AND (l.tensor IS NULL OR l.file IN (SELECT file FROM lock_before WHERE tensor IS NOT NULL));

DROP TABLE IF EXISTS temp.lock_made;
CREATE TEMP TABLE lock_made AS
  SELECT writefile(p.lock, (
    SELECT group_concat(line, '') FROM (
      SELECT iif(tensor IS NULL, json_object('file', file, 'size', size, 'sha256', sha256),
                 json_object('file', file, 'tensor', tensor, 'dtype', dtype, 'shape', json(shape), 'sha256', sha256)) || char(10) AS line
      FROM locked ORDER BY rowid))) AS size
  FROM parameters AS p WHERE NOT p."check";

DROP TABLE IF EXISTS temp.lock_checked;
CREATE TEMP TABLE lock_checked AS
  SELECT c.change AS rule, 'error' AS level, c.file, c.tensor,
         CASE c.change WHEN 'differs' THEN printf('it was %s, and is %s', c.before, c.now)
                       WHEN 'gone' THEN 'it was there when it was locked' ELSE 'it was not there when it was locked' END AS message
  FROM lock_changes AS c ORDER BY c.rowid;
INSERT INTO lock_checked
  SELECT 'unchanged', 'ok', l.file, NULL, NULL FROM locked AS l
  WHERE l.tensor IS NULL AND l.file NOT IN (SELECT file FROM lock_changes WHERE tensor IS NULL) ORDER BY l.rowid;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'locked', 'lock_changes', 'lock_checked') FROM parameters WHERE format IN ('json', 'csv');
SELECT safetensors_print(format, 'lock_checked') FROM parameters WHERE format IN ('junit', 'sarif');

SELECT iif(p."check",
           iif(n = 0, printf('Yes: %,d %s as they were when they were locked.', files, iif(files = 1, 'file is', 'files are')),
               printf('No: %,d of %,d files differ, %,d %s gone, %,d %s new.', differ, files, gone, iif(gone = 1, 'is', 'are'),
                      new, iif(new = 1, 'is', 'are'))),
           printf('Locked %,d %s, %s, in %s.', written, iif(written = 1, 'file', 'files'), safetensors_pretty(bytes, 'B'),
                  safetensors_label(p.lock)))
FROM as_text, parameters AS p,
  (SELECT count(*) AS n, total(change = 'differs' AND tensor IS NULL) AS differ,
          total(change = 'gone' AND tensor IS NULL) AS gone, total(change = 'new' AND tensor IS NULL) AS new FROM lock_changes),
  (SELECT count(*) AS files FROM lock_before WHERE tensor IS NULL),
  (SELECT count(*) AS written, total(size) AS bytes FROM locked WHERE tensor IS NULL);

SELECT char(10) || '== Files' FROM as_text, lock_changes WHERE tensor IS NULL LIMIT 1;
.mode column --wrap 0
.headers on
SELECT change, safetensors_label(file) AS file FROM as_text, lock_changes AS c WHERE tensor IS NULL ORDER BY c.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, lock_changes WHERE tensor IS NULL HAVING count(*) > 40;
SELECT char(10) || '== Tensors' FROM as_text, lock_changes WHERE tensor IS NOT NULL LIMIT 1;
.mode column --wrap 0
.headers on
SELECT c.change,
       CASE WHEN c.change <> 'differs' THEN NULL WHEN b.dtype <> l.dtype THEN safetensors_label(b.dtype) || ' > ' || l.dtype
            WHEN b.shape <> l.shape THEN substr(safetensors_label(b.shape), 1, 24) || ' > ' || substr(l.shape, 1, 24) ELSE 'bytes' END AS what,
       safetensors_label(c.tensor) AS tensor
FROM as_text, lock_changes AS c LEFT JOIN lock_before AS b ON b.file = c.file AND b.tensor = c.tensor
LEFT JOIN locked AS l ON l.file = c.file AND l.tensor = c.tensor
WHERE c.tensor IS NOT NULL ORDER BY c.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, lock_changes WHERE tensor IS NOT NULL HAVING count(*) > 40;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(changes);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.changes > 0 BEGIN
  SELECT RAISE(ABORT, 'something has changed since it was locked');
END;
INSERT INTO verdict SELECT count(*) FROM lock_changes;
