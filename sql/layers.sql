-- Where are the parameters? By layer, then by kind of tensor (its name with each number as '#').
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" < sql/layers.sql
--
-- Reads headers only. Leaves the view `tensors`, as summary.sql does.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

CREATE TEMP VIEW IF NOT EXISTS tensors AS
  SELECT name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref
  FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));

.mode column
.headers on

.print == Parameters by layer
SELECT ifnull(layer, '-') AS layer, count(*) AS tensors,
       printf('%10s', safetensors_pretty(sum(numel))) AS parameters,
       printf('%8s', safetensors_pretty(sum(nbytes), 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * sum(numel) / max(1, sum(sum(numel)) OVER ())) AS " share",
       substr('##############################', 1,
              CAST(round(30.0 * sum(numel) / max(1, max(sum(numel)) OVER ())) AS INTEGER)) AS relative
FROM tensors AS t GROUP BY t.layer ORDER BY t.layer;
.headers off
.mode list
SELECT 'None: it has no tensors.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
.print

.print == Kinds of tensors
SELECT iif(length(pattern) > 40, substr(pattern, 1, 17) || '...' || substr(pattern, -20), pattern) AS pattern,
       count(*) AS n, iif(count(DISTINCT dtype) > 1, count(DISTINCT dtype) || ' dtypes', min(dtype)) AS dtype,
       CASE WHEN count(DISTINCT shape) > 1 THEN count(DISTINCT shape) || ' shapes'
            WHEN length(shape) > 13 THEN substr(shape, 1, 10) || '...' ELSE shape END AS shape,
       printf('%6s', safetensors_pretty(sum(numel))) AS " numel"
FROM tensors AS t GROUP BY t.pattern ORDER BY sum(t.numel) DESC, t.pattern LIMIT 40;
.headers off
.mode list
SELECT printf('and %,d more', count(DISTINCT pattern) - 40) FROM tensors HAVING count(DISTINCT pattern) > 40;
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM tensors);
.headers on
.mode column
