-- What is in this checkpoint? Files, parameters by dtype, metadata, the largest tensors.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" < sql/summary.sql
--
-- Reads headers only, whatever the checkpoint's size. Leaves the view `tensors` for queries of your
-- own: start the shell with the two -cmd options, then `.read sql/summary.sql`.

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

.mode column
.headers on

.print == Files
SELECT file, tensors, printf('%,d', numel) AS parameters, printf('%,d', nbytes) AS bytes, status
FROM safetensors_files(:path);
.print

.print == Parameters by dtype
SELECT dtype, count(*) AS tensors, printf('%,16d', sum(numel)) AS parameters,
       printf('%,16d', sum(nbytes)) AS bytes,
       printf('%5.1f%%', 100.0 * sum(numel) / nullif(sum(sum(numel)) OVER (), 0)) AS share
FROM tensors GROUP BY dtype ORDER BY sum(numel) DESC, dtype;
.print

.print == Metadata
SELECT key, CASE WHEN length(value) > 50 THEN substr(value, 1, 47) || '...' ELSE value END AS value
FROM safetensors_metadata(:path);
.print

.print == Largest tensors
SELECT name, dtype, shape, printf('%,d', nbytes) AS bytes
FROM tensors ORDER BY nbytes DESC, name LIMIT 10;
