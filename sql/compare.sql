-- What did the fine-tune change? Two checkpoints by status, by layer, the most changed tensors, and
-- what was left untouched (frozen); what was renamed, and what a LoRA adapter is for.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :a base.safetensors" \
--           -cmd ".param set :b tune.safetensors" < sql/compare.sql
--
-- If names begin differently, say how (a prefix may be empty, ''):
--
--           -cmd ".param set :prefix_a model.language_model." -cmd ".param set :prefix_b model."
--
-- A third checkpoint, another tune of a: -cmd ".param set :c other.safetensors"
--
-- One pass over both. Leaves the table `compared`: name, status, dtype_a, dtype_b, shape_a,
-- shape_b, layer, pattern, numel, n_diff, max_abs_diff, rel_l2, cosine, l2_a, l2_diff, ref_a and
-- ref_b, as safetensors_diff has them; rel_l2 is the norm of the difference by that of a.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_a_b(value CONSTRAINT ":a and :b are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_a_b VALUES (:a), (:b);

DROP TABLE IF EXISTS temp.compared;
CREATE TEMP TABLE compared AS
  SELECT name, status, dtype_a, dtype_b, shape_a, shape_b, layer, pattern, numel, n_diff,
         max_abs_diff, rel_l2, cosine, l2_a, l2_diff, ref_a, ref_b
  FROM safetensors_diff(:a, :b);

-- What has its name but for the prefix: under a's name, in the place of the two rows before.
DROP TABLE IF EXISTS temp.renamed_by_prefix;
CREATE TEMP TABLE renamed_by_prefix AS
  SELECT a.rowid AS a_row, b.rowid AS b_row, a.shape_a <> b.shape_b AS reshaped
  FROM compared AS a
  JOIN compared AS b ON b.name = :prefix_b || substr(a.name, length(:prefix_a) + 1)
  WHERE a.status = 'only_a' AND b.status = 'only_b'
    AND substr(a.name, 1, length(:prefix_a)) = :prefix_a;
UPDATE compared SET
  (status, dtype_b, shape_b, ref_b, n_diff, max_abs_diff, rel_l2, cosine, l2_a, l2_diff) = (
    SELECT CASE WHEN r.reshaped THEN 'reshaped'
                WHEN compared.dtype_a <> b.dtype_b THEN 'retyped'
                WHEN c.equal THEN 'same' ELSE 'changed' END,
           b.dtype_b, b.shape_b, b.ref_b, c.n_diff, c.max_abs_diff, c.rel_l2, c.cosine, c.l2_a,
           c.l2_diff
    FROM renamed_by_prefix AS r JOIN compared AS b ON b.rowid = r.b_row
    LEFT JOIN tensor_compare(iif(r.reshaped, NULL, compared.ref_a), b.ref_b) AS c
    WHERE r.a_row = compared.rowid)
WHERE rowid IN (SELECT a_row FROM renamed_by_prefix);
DELETE FROM compared WHERE rowid IN (SELECT b_row FROM renamed_by_prefix);

.mode column
.headers on

.print == Tensors by status
SELECT status, count(*) AS tensors, printf('%10s', safetensors_pretty(sum(numel))) AS parameters,
       printf('%8s', iif(count(n_diff), safetensors_pretty(sum(n_diff)), '-')) AS "  differ"
FROM compared GROUP BY status ORDER BY count(*) DESC, status;
.mode list
.headers off
SELECT 'None: neither has a tensor.' WHERE NOT EXISTS (SELECT 1 FROM compared);
SELECT 'All tensors are the same, byte for byte.'
WHERE NOT EXISTS (SELECT 1 FROM compared WHERE status <> 'same')
  AND EXISTS (SELECT 1 FROM compared);
.mode column
.headers on
.print

.print == By layer
SELECT ifnull(c.layer, '-') AS layer, count(*) AS tensors, sum(status <> 'same') AS not_same,
       printf('%5.1f%%', 100.0 * sum(status <> 'same') / count(*)) AS " share",
       iif(count(n_diff), printf('%5.1f%%', 100.0 * total(n_diff) / nullif(total(numel) FILTER
           (WHERE n_diff IS NOT NULL), 0)), '-') AS values_differ,
       iif(total(l2_a * l2_a) > 0,
           printf('%.3g', sqrt(total(l2_diff * l2_diff) / total(l2_a * l2_a))), '-') AS rel_l2
FROM compared AS c GROUP BY c.layer ORDER BY c.layer;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM compared);
.mode column
.headers on
.print

.print == Twenty most changed tensors
SELECT iif(length(name) > 40, '...' || substr(name, -37), name) AS name,
       printf('%5.1f%%', 100.0 * n_diff / numel) AS differ, printf('%.3g', max_abs_diff) AS max,
       printf('%.3g', rel_l2) AS rel_l2, ifnull(printf('%.6f', cosine), '-') AS cosine
FROM compared AS c WHERE n_diff > 0
ORDER BY c.rel_l2 DESC, c.max_abs_diff DESC, c.name LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM compared WHERE n_diff > 0 HAVING count(*) > 20;
SELECT 'None: what both have, with one shape, has the same values.'
WHERE NOT EXISTS (SELECT 1 FROM compared WHERE n_diff > 0);
.mode column
.headers on
.print

.print == In one only, retyped or reshaped
SELECT iif(length(name) > 38, '...' || substr(name, -35), name) AS name, status,
       substr(CASE status WHEN 'retyped' THEN dtype_a || ' > ' || dtype_b
                          WHEN 'reshaped' THEN shape_a || ' > ' || shape_b
                          WHEN 'only_a' THEN dtype_a || ' ' || shape_a
                          ELSE dtype_b || ' ' || shape_b END, 1, 30) AS what
FROM compared AS c WHERE status NOT IN ('same', 'changed') ORDER BY c.status, c.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20)
FROM compared WHERE status NOT IN ('same', 'changed') HAVING count(*) > 20;
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM compared WHERE status NOT IN ('same', 'changed'));
.mode column
.headers on
.print

-- Neighbouring layers in which nothing differs, told together; and patterns whose tensors differ in
-- no layer, where layers do.
.print == Untouched groups
DROP TABLE IF EXISTS temp.untouched;
CREATE TEMP TABLE untouched AS
WITH layers AS (
  SELECT substr(pattern, 1, instr(pattern, '#') - 1) AS stack, layer, count(*) AS tensors,
         sum(numel) AS numel,
         layer - row_number() OVER (PARTITION BY substr(pattern, 1, instr(pattern, '#') - 1)
                                    ORDER BY layer) AS run
  FROM compared WHERE layer IS NOT NULL GROUP BY 1, 2 HAVING min(status = 'same')
)
SELECT untouched, tensors, numel
FROM (
  SELECT stack || min(layer) || iif(max(layer) > min(layer), ' to ' || max(layer), '') AS untouched,
         sum(tensors) AS tensors, sum(numel) AS numel, 0 AS kind, stack, min(layer) AS first
  FROM layers GROUP BY stack, run
  UNION ALL
  SELECT pattern, count(*), sum(numel), 1, pattern, 0
  FROM compared GROUP BY pattern
  HAVING min(status = 'same') AND max((substr(pattern, 1, instr(pattern, '#') - 1), layer)
                                      NOT IN (SELECT stack, layer FROM layers) OR layer IS NULL)
)
ORDER BY kind, stack, first;
SELECT iif(length(untouched) > 52, '...' || substr(untouched, -49), untouched) AS untouched,
       tensors, printf('%10s', safetensors_pretty(numel)) AS parameters
FROM untouched AS u ORDER BY u.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM untouched HAVING count(*) > 20;
SELECT iif(EXISTS (SELECT 1 FROM compared),
           'None: every layer and every kind of tensor has something that differs.', 'None.')
WHERE NOT EXISTS (SELECT 1 FROM untouched);
.mode column
.headers on

-- The rest is told where there is something to tell.

-- The same bytes under another name, if just one tensor of each side has them.
DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS
  WITH a AS MATERIALIZED (
    SELECT rowid AS row, name, dtype_a AS dtype, shape_a AS shape, tensor_hash(ref_a) AS hash
    FROM compared WHERE status = 'only_a' AND numel > 0 AND (dtype_a, shape_a) IN (
      SELECT dtype_b, shape_b FROM compared WHERE status = 'only_b')
  ), b AS MATERIALIZED (
    SELECT name, dtype_b AS dtype, shape_b AS shape, tensor_hash(ref_b) AS hash
    FROM compared WHERE status = 'only_b' AND numel > 0 AND (dtype_b, shape_b) IN (
      SELECT dtype_a, shape_a FROM compared WHERE status = 'only_a')
  )
  SELECT min(a.name) AS name_a, min(b.name) AS name_b, min(a.row) AS row
  FROM a JOIN b USING (hash, dtype, shape) GROUP BY hash, dtype, shape HAVING count(*) = 1;
.mode list
.headers off
SELECT char(10) || '== Renamed' WHERE EXISTS (SELECT 1 FROM renamed);
.mode column
.headers on
SELECT iif(length(name_a) > 39, substr(name_a, 1, 16) || '...' || substr(name_a, -20), name_a)
       AS name_a,
       iif(length(name_b) > 39, substr(name_b, 1, 16) || '...' || substr(name_b, -20), name_b)
       AS name_b
FROM renamed ORDER BY row LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM renamed HAVING count(*) > 20;

-- Names of PEFT: base_model.model.X.lora_A.weight is for X.weight.
DROP TABLE IF EXISTS temp.adapted;
CREATE TEMP TABLE adapted AS
  SELECT a.pattern, json_extract(l.shape_b, '$[0]') AS rank,
         json_extract(l.shape_b, '$[1]') = json_extract(a.shape_a, '$[1]') AS fits
  FROM compared AS l
  JOIN compared AS a
    ON a.name = replace(replace(l.name, 'base_model.model.', ''), '.lora_A.weight', '.weight')
  WHERE l.status = 'only_b' AND l.name LIKE '%.lora\_A.weight' ESCAPE '\'
    AND a.shape_a IS NOT NULL;
SELECT char(10) || '== Weights of a that the LoRA adapter b changes'
WHERE EXISTS (SELECT 1 FROM adapted);
.mode column
.headers on
SELECT iif(length(pattern) > 40, '...' || substr(pattern, -37), pattern) AS pattern,
       count(*) AS weights, substr(group_concat(DISTINCT rank), 1, 16) AS ranks,
       iif(min(fits), 'yes', 'no') AS shapes_fit
FROM adapted AS a GROUP BY a.pattern ORDER BY a.pattern;

DROP TABLE IF EXISTS temp.compared_c;
CREATE TEMP TABLE compared_c AS SELECT name, status FROM safetensors_diff(:a, :c);
.mode list
.headers off
SELECT char(10) || '== Three ways: b and c, each compared with a' WHERE :c IS NOT NULL;
.mode column
.headers on
SELECT ifnull(b.status, '-') AS status_b, ifnull(c.status, '-') AS status_c, count(*) AS tensors
FROM compared_c AS c FULL JOIN compared AS b USING (name)
WHERE :c IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;
