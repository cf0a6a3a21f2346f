-- What differs between two checkpoints? Joined by tensor name; bytes are compared only where dtype
-- and shape agree.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :a base.safetensors" \
--           -cmd ".param set :b tune.safetensors" < sql/compare.sql
--
-- Leaves the view `compared`: name, status, dtype_a, dtype_b, shape_a, shape_b, layer, numel. Its
-- status is one of same, changed, retyped, reshaped, only_a, only_b.

CREATE TEMP VIEW IF NOT EXISTS compared AS
  SELECT name,
         CASE WHEN b.dtype IS NULL THEN 'only_a'
              WHEN a.dtype IS NULL THEN 'only_b'
              WHEN a.shape <> b.shape THEN 'reshaped'
              WHEN a.dtype <> b.dtype THEN 'retyped'
              WHEN a.data = b.data THEN 'same'
              ELSE 'changed' END AS status,
         a.dtype AS dtype_a, b.dtype AS dtype_b, a.shape AS shape_a, b.shape AS shape_b,
         ifnull(a.layer, b.layer) AS layer, ifnull(a.numel, b.numel) AS numel
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':a')) AS a
  FULL JOIN safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':b')) AS b
  USING (name);

.mode column
.headers on

.print == Tensors by status
SELECT status, count(*) AS tensors, printf('%,16d', sum(numel)) AS parameters
FROM compared GROUP BY status ORDER BY count(*) DESC, status;
.print

.print == Tensors that are not the same
SELECT name, status, dtype_a, dtype_b, shape_a, shape_b
FROM compared WHERE status <> 'same';
.print

.print == Share of changed tensors by layer
SELECT ifnull(c.layer, '-') AS layer, count(*) AS tensors, sum(status <> 'same') AS not_same,
       printf('%5.1f%%', 100.0 * sum(status <> 'same') / count(*)) AS share
FROM compared AS c GROUP BY c.layer ORDER BY c.layer;
