-- Where are the parameters? By layer, then by kind of tensor (its name with each number as '#').
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" < sql/layers.sql
--
-- Reads headers only. Leaves the view `tensors`, as summary.sql does.

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

.mode column
.headers on

.print == Parameters by layer
SELECT ifnull(layer, '-') AS layer, count(*) AS tensors,
       printf('%,16d', sum(numel)) AS parameters, printf('%,16d', sum(nbytes)) AS bytes,
       printf('%5.1f%%', 100.0 * sum(numel) / nullif(sum(sum(numel)) OVER (), 0)) AS share
FROM tensors AS t GROUP BY t.layer ORDER BY t.layer;
.print

.print == Kinds of tensors
SELECT pattern, count(*) AS tensors, group_concat(DISTINCT dtype) AS dtypes,
       group_concat(DISTINCT shape) AS shapes, printf('%,16d', sum(numel)) AS parameters
FROM tensors GROUP BY pattern ORDER BY sum(numel) DESC, pattern;
