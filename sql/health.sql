-- Is anything wrong with the values? NaN and infinities, dead and constant tensors, norms by layer,
-- tensors whose norm stands out among its kind (its name with each number as '#').
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           < sql/health.sql
--
-- Reads all bytes, once; `.timer on` and `PRAGMA threads = 3` before it help. Leaves the table
-- `health`: name, label, dtype, shape, layer, pattern, numel, and the columns of tensor_stats, and rms,
-- the root of the mean square of the finite elements.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

DROP TABLE IF EXISTS temp.health;
CREATE TEMP TABLE health AS
  SELECT t.name, iif(length(t.name) > 38, substr(t.name, 1, 16) || '...' || substr(t.name, -19),
                     t.name) AS label,
         t.dtype, t.shape, t.layer, t.pattern, t.numel, s.*,
         s.l2 / sqrt(nullif(t.numel - s.n_nan - s.n_inf, 0)) AS rms
  FROM safetensors_tensors(:path) AS t, tensor_stats(t.ref) AS s;

.mode column
.headers on

.print == NaN and infinities
SELECT label AS name, dtype, printf('%,d', n_nan) AS nan, printf('%,d', n_inf) AS inf,
       printf('%5.1f%%', 100.0 * (n_nan + n_inf) / numel) AS " share"
FROM health AS h WHERE h.n_nan + h.n_inf > 0 ORDER BY h.n_nan + h.n_inf DESC, h.name LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM health WHERE n_nan + n_inf > 0
HAVING count(*) > 20;
SELECT iif(EXISTS (SELECT 1 FROM health), 'All elements are finite.', 'There are no tensors.')
WHERE NOT EXISTS (SELECT 1 FROM health WHERE n_nan + n_inf > 0);
.mode column
.headers on
.print

.print == All zero, or all the same
SELECT label AS name, dtype, iif(length(shape) > 12, substr(shape, 1, 9) || '...', shape) AS shape,
       printf('%.6g', min) AS value
FROM health AS h WHERE h.min = h.max AND h.n_nan + h.n_inf = 0 AND h.numel > 1
ORDER BY h.max <> 0, h.numel DESC, h.name LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM health
WHERE min = max AND n_nan + n_inf = 0 AND numel > 1 HAVING count(*) > 20;
SELECT 'No tensor of more than one element is.' WHERE NOT EXISTS (
  SELECT 1 FROM health WHERE min = max AND n_nan + n_inf = 0 AND numel > 1);
.mode column
.headers on
.print

.print == Norms by layer
SELECT layer, tensors, printf('%.4g', l2) AS l2, printf('%.4g', rms) AS rms,
       printf('%.4g', abs_max) AS abs_max, printf('%5.1f%%', zeros) AS " zeros",
       substr('####################', 1, 20 * rms / nullif(max(rms) OVER (), 0)) AS rms_relative
FROM (SELECT ifnull(layer, '-') AS layer, min(ifnull(layer, -1)) AS place, count(*) AS tensors,
             sqrt(sum(l2 * l2)) AS l2, max(abs_max) AS abs_max,
             sqrt(sum(l2 * l2) / nullif(sum(numel - n_nan - n_inf), 0)) AS rms,
             100.0 * sum(n_zero) / nullif(sum(numel), 0) AS zeros
      FROM health AS h GROUP BY h.layer)
ORDER BY place;
.mode list
.headers off
SELECT 'There are no tensors.' WHERE NOT EXISTS (SELECT 1 FROM health);
.mode column
.headers on
.print

-- The median, of kinds of tensors with three or more, is the middle one, or the lower of two.
DROP TABLE IF EXISTS temp.health_extremes;
CREATE TEMP TABLE health_extremes AS
  WITH ranked AS (
    SELECT pattern, rms, count(*) OVER kind AS n,
           row_number() OVER (PARTITION BY pattern ORDER BY rms) AS position
    FROM health WHERE rms IS NOT NULL WINDOW kind AS (PARTITION BY pattern)
  ),
  medians AS (
    SELECT pattern, n, rms AS median FROM ranked WHERE position = (n + 1) / 2 AND n > 2
  )
  SELECT h.label, h.rms, m.median, m.n, h.rms / m.median AS times
  FROM health AS h JOIN medians AS m USING (pattern)
  WHERE m.median > 0 AND (h.rms >= 4 * m.median OR h.rms <= m.median / 4);

.print == Norms that stand out
SELECT label AS name, printf('%.4g', rms) AS rms, printf('%.4g', median) AS median, n AS among,
       printf('%.3g', times) AS times
FROM health_extremes AS e
ORDER BY max(e.times, 1 / max(e.times, 1e-300)) DESC, e.label LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM health_extremes HAVING count(*) > 20;
SELECT 'No RMS is 4 times the median of its kind, or a quarter of it.'
WHERE NOT EXISTS (SELECT 1 FROM health_extremes);
.mode column
.headers on
