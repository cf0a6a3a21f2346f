-- Is anything wrong with the values?
--
-- Finds NaNs and infinities, dead and constant tensors, the norms of the layers, and tensors whose norm is an outlier
-- among those of the same kind (its name with each number as '#'). The script reads all bytes once; in the shell,
-- `PRAGMA threads = 3` before it makes that faster, and `.timer on` shows the time.
--
-- @alias stat
-- @param path path required   the checkpoint
-- @table health(name, file, dtype, shape, layer, pattern, numel, n_nan, n_inf, n_zero, min, max, mean, std, abs_max,
--    l2, rms)   one row per tensor: what tensor_stats says, and the root mean square of the finite elements
-- @table health_extremes(name, rms, median, n, times)   tensors whose norm stands out among the n of their kind
-- @example safetensors-sql health model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL));
INSERT INTO parameters VALUES (:path);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

DROP TABLE IF EXISTS temp.health;
CREATE TEMP TABLE health AS
  SELECT t.name, t.name AS label, t.file, t.dtype, t.shape, t.layer, t.pattern, t.numel, s.*,
         s.l2 / sqrt(nullif(t.numel - s.n_nan - s.n_inf, 0)) AS rms
  FROM safetensors_files(:path) AS f JOIN safetensors_tensors(ifnull(f.file, :path)) AS t
  JOIN tensor_stats(t.ref) AS s WHERE f.status = 'ok';

-- Shortens names to 38 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE health SET label = (
  SELECT CASE WHEN length(begin || rest) <= 38 THEN begin || rest
              WHEN numbers IS NULL AND tail GLOB '*[0-9]*'
              THEN begin || substr(rest, 1, room - 3 - length(tail)) || '...' || tail
              WHEN numbers IS NULL
              THEN begin || substr(rest, 1, room * 2 / 5) || '...' || substr(rest, room * 2 / 5 + 3 - room)
              ELSE begin || '..' || numbers || '..' || substr(tail, -max(1, room - 4 - length(numbers))) END
  FROM (SELECT begin, rest, tail, room, (
          SELECT group_concat(value, '.')
          FROM json_each('[' || replace(replace(json_quote(substr(rest, 1, length(rest) - length(tail))),
                                                '.', '","'), '_', '","') || ']')
          WHERE value <> '' AND value NOT GLOB '*[^0-9]*') AS numbers
        FROM (SELECT begin, rest, 38 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 31) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 31), '0123456789'),
                       substr(rest, length(begin) - 31)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 38;

-- Files that cannot be read are reported and left out.
.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM safetensors_files(:path)) WHERE n > 0;
SELECT error FROM safetensors_files(:path) WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM safetensors_files(:path) WHERE status <> 'ok' HAVING count(*) > 0;
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
SELECT printf('%s: %,d tensor%s', file, count(*), iif(count(*) = 1, '', 's'))
FROM (SELECT iif(length(file) > 60, '...' || substr(file, -57), file) AS file FROM health
      WHERE n_nan + n_inf > 0 AND (SELECT count(DISTINCT file) FROM health) > 1)
GROUP BY file ORDER BY count(*) DESC, file LIMIT 20;
SELECT printf('and %,d more files', count(DISTINCT file) - 20) FROM health
WHERE n_nan + n_inf > 0 HAVING count(DISTINCT file) > 20;
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

-- Only kinds with three or more tensors count. The median is the middle one, or the lower of the two in the middle.
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
  SELECT h.name, h.label, h.rms, m.median, m.n, h.rms / m.median AS times
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
