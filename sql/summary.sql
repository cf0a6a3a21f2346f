-- What is in this checkpoint? Files, parameters by dtype, metadata, the largest tensors.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" < sql/summary.sql
--
-- Reads headers only, whatever the checkpoint's size. Leaves the view `tensors` for queries of your
-- own: start the shell with the two -cmd options, then `.read sql/summary.sql`.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

.mode column
.headers on

.print == Files
SELECT iif(length(file) > 36, '...' || substr(file, -33), file) AS file, tensors,
       printf('%10s', safetensors_pretty(numel)) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", status
FROM safetensors_files(:path) LIMIT 20;
.headers off
.mode list
SELECT printf('and %,d more: %,d files, %s parameters, %s in all', count(*) - 20, count(*),
              safetensors_pretty(ifnull(sum(numel), 0)), safetensors_pretty(ifnull(sum(nbytes), 0), 'B'))
FROM safetensors_files(:path) HAVING count(*) > 20;
SELECT error FROM safetensors_files(:path) WHERE error IS NOT NULL LIMIT 5;
SELECT printf('and %,d more that cannot be read', count(*) - 5)
FROM safetensors_files(:path) WHERE error IS NOT NULL HAVING count(*) > 5;
.headers on
.mode column
.print

.print == Parameters by dtype
SELECT dtype, count(*) AS tensors, printf('%10s', safetensors_pretty(sum(numel))) AS parameters,
       printf('%8s', safetensors_pretty(sum(nbytes), 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * sum(numel) / max(1, sum(sum(numel)) OVER ())) AS " share"
FROM tensors GROUP BY dtype ORDER BY sum(numel) DESC, dtype;
.headers off
.mode list
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
.print

.print == Metadata
-- What several files have in common is told once.
SELECT iif(length(key) > 26, substr(key, 1, 23) || '...', key) AS key,
       replace(iif(length(value) > 50, substr(value, 1, 47) || '...', value), char(10), ' ') AS value
FROM (SELECT key, value, min(rowid) AS place FROM safetensors_metadata(:path) GROUP BY key, value)
ORDER BY place LIMIT 20;
.headers off
.mode list
SELECT iif(count(*) = 0, 'None.', printf('and %,d more', count(*) - 20))
FROM (SELECT DISTINCT key, value FROM safetensors_metadata(:path))
HAVING count(*) = 0 OR count(*) > 20;
.headers on
.mode column
.print

.print == Largest tensors
SELECT iif(length(name) > 44, substr(name, 1, 20) || '...' || substr(name, -21), name) AS name, dtype,
       iif(length(shape) > 18, substr(shape, 1, 15) || '...', shape) AS shape,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM tensors AS t ORDER BY t.nbytes DESC, t.name LIMIT 10;
.headers off
.mode list
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
