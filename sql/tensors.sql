-- Which tensors are in this checkpoint?
--
-- Lists them all, in the order of the files' headers, with whole names: they are last in a line, which may be longer
-- than a terminal is wide. The script reads only headers.
--
-- @alias ls
-- @param path path required   the checkpoint: a file, an index, a directory or a pattern
-- @param names text '*'       a pattern (*, ?, [...]) of the names to list
-- @table listed(name, dtype, shape, numel, nbytes, file)   one row per tensor
-- @status 1                   when there are tensors, and no name matches the pattern
-- @example safetensors-sql tensors model.safetensors --names '*norm*'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL), names TEXT);
INSERT INTO parameters VALUES (:path, ifnull(:names, '*'));

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.listed;
CREATE TEMP TABLE listed AS
  SELECT t.name, t.dtype, t.shape, t.numel, t.nbytes, f.file
  FROM parameters AS p JOIN safetensors_files(p.path) AS f
  JOIN safetensors_tensors(ifnull(f.file, p.path)) AS t WHERE f.status = 'ok' AND t.name GLOB p.names;

-- Files that cannot be read are reported and left out.
.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM safetensors_files(:path)) WHERE n > 0;
SELECT error FROM safetensors_files(:path) WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM safetensors_files(:path) WHERE status <> 'ok' HAVING count(*) > 0;
.mode column --wrap 0
.headers on

SELECT dtype, printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       iif(length(shape) > 24, substr(shape, 1, 21) || '...', shape) AS shape, name
FROM listed AS l ORDER BY l.rowid;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM listed);

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(listed, readable);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.listed = 0 AND new.readable > 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor''s name matches :names');
END;
INSERT INTO verdict
  SELECT (SELECT count(*) FROM listed), (SELECT sum(tensors) FROM safetensors_files(:path) WHERE status = 'ok');
.mode column
.headers on
