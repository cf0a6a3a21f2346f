-- What did the fine-tune change?
--
-- Compares checkpoint b with checkpoint a, its base. The output begins with a verdict in words, the worst first: NaNs
-- and infinities that a does not have are errors. Then come the tensors by status and by layer, the most changed
-- tensors, those that were left untouched (frozen) or renamed, and the tensors that a LoRA adapter modifies. The script
-- makes one pass over both checkpoints, and another over tensors of b that may have new NaNs or infinities.
--
-- If the names begin differently, give the prefixes (one is enough if the other is empty): model.language_model. for a
-- and model. for b.
--
-- A weight that is packed in a or in b is compared with the weight of the same name in the other by what both stand
-- for, in one row. Its dtype is then the scheme, such as gptq, and its parts have no rows of their own. What cannot be
-- unpacked, or has no counterpart, is not compared as numbers: tensors of integers and of floats of at most 8 bits are
-- codes if there is a scale, zero point, absmax or codebook beside them. The script says whether codes differ, but
-- gives no distance, because it would be a distance between codes and not between weights.
--
-- The columns of `compared` mean what they mean in safetensors_diff. rel_l2 is the norm of the difference divided by
-- the norm of a. new_nan and new_inf count the elements of b that are NaN or infinite where those of a are not. codes_a
-- and codes_b say whether a tensor is codes: if so, max_abs_diff, rel_l2, cosine, l2_a and l2_diff are NULL, and n_diff
-- as well unless both sides are codes.
--
-- @alias diff
-- @param a path required      the checkpoint before
-- @param b path required      the checkpoint after
-- @param c path               another fine-tune of a, to compare the two
-- @param prefix_a text ''     what the names of a begin with
-- @param prefix_b text ''     what the names of b begin with instead
-- @table compared(name, status, dtype_a, dtype_b, shape_a, shape_b, layer, pattern, numel, n_diff, max_abs_diff,
--    rel_l2, cosine, l2_a, l2_diff, ref_a, ref_b, new_nan, new_inf, codes_a, codes_b, dequantized)   one row per
--    tensor; dequantized says whether it is a weight that is packed in a or b
-- @table untouched(untouched, tensors, numel)   groups of tensors that are all the same
-- @table compared_c(name, status)   one row per tensor of a or c
-- @example safetensors-sql compare base.safetensors tune.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  a TEXT CONSTRAINT ":a is set" CHECK (a IS NOT NULL),
  b TEXT CONSTRAINT ":b is set" CHECK (b IS NOT NULL),
  prefix_a TEXT,
  prefix_b TEXT
);
INSERT INTO parameters VALUES (:a, :b, ifnull(:prefix_a, ''), ifnull(:prefix_b, ''));
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  begin_a CONSTRAINT "the name of a tensor of :a begins with :prefix_a" CHECK (begin_a > 0),
  begin_b CONSTRAINT "the name of a tensor of :b begins with :prefix_b" CHECK (begin_b > 0)
);
INSERT INTO needs(begin_a)
  SELECT count(*) FROM parameters AS p, safetensors_tensors(p.a) AS t
  WHERE substr(t.name, 1, length(p.prefix_a)) = p.prefix_a HAVING :prefix_a <> '';
INSERT INTO needs(begin_b)
  SELECT count(*) FROM parameters AS p, safetensors_tensors(p.b) AS t
  WHERE substr(t.name, 1, length(p.prefix_b)) = p.prefix_b HAVING :prefix_b <> '';

DROP TABLE IF EXISTS temp.compared_c;
CREATE TEMP TABLE compared_c AS SELECT name, status FROM safetensors_diff(:a, :c);

-- Weights that one side has packed, or both, and the other has under the same name, or the name with its own prefix.
-- packed_parts says which tensors they are made of.
DROP TABLE IF EXISTS temp.compare_weights;
CREATE TEMP TABLE compare_weights(
  side TEXT, name TEXT, scheme TEXT, dtype TEXT, shape TEXT, numel INTEGER, layer INTEGER, pattern TEXT, parts TEXT, ref TEXT,
  PRIMARY KEY(side, name)
) WITHOUT ROWID;
INSERT OR IGNORE INTO compare_weights
  SELECT 'a', name, scheme, dtype, shape, numel, layer, pattern, parts, ref FROM safetensors_weights(:a)
  WHERE role = 'weight' AND scheme <> 'unknown';
INSERT OR IGNORE INTO compare_weights
  SELECT 'b', name, scheme, dtype, shape, numel, layer, pattern, parts, ref FROM safetensors_weights(:b)
  WHERE role = 'weight' AND scheme <> 'unknown';
DROP TABLE IF EXISTS temp.packed_pairs;
CREATE TEMP TABLE packed_pairs AS
  SELECT a.name, b.name AS name_b, a.scheme AS scheme_a, b.scheme AS scheme_b, iif(a.scheme = 'none', a.dtype, a.scheme) AS dtype_a,
         iif(b.scheme = 'none', b.dtype, b.scheme) AS dtype_b, a.shape, a.numel, a.layer, a.pattern, a.parts AS parts_a,
         b.parts AS parts_b, a.ref AS ref_a, b.ref AS ref_b
  FROM parameters AS p, compare_weights AS a JOIN compare_weights AS b
    ON b.side = 'b' AND b.name = CASE
         WHEN EXISTS (SELECT 1 FROM compare_weights AS o WHERE o.side = 'b' AND o.name = a.name) THEN a.name
         WHEN substr(a.name, 1, length(p.prefix_a)) = p.prefix_a THEN p.prefix_b || substr(a.name, length(p.prefix_a) + 1) END
  WHERE a.side = 'a' AND (a.scheme <> 'none' OR b.scheme <> 'none') AND a.shape = b.shape AND a.ref IS NOT NULL AND b.ref IS NOT NULL;
DROP TABLE IF EXISTS temp.packed_parts;
CREATE TEMP TABLE packed_parts(
  side TEXT, name TEXT, pair INTEGER, role TEXT, dtype TEXT, shape TEXT, ref TEXT, PRIMARY KEY(name, side)
) WITHOUT ROWID;
INSERT OR IGNORE INTO packed_parts(side, name, pair, role)
  SELECT 'a', j.value, p.rowid, j.key FROM packed_pairs AS p, json_each(ifnull(p.parts_a, json_object('', p.name))) AS j;
INSERT OR IGNORE INTO packed_parts(side, name, pair, role)
  SELECT 'b', j.value, p.rowid, j.key FROM packed_pairs AS p, json_each(ifnull(p.parts_b, json_object('', p.name_b))) AS j;
UPDATE packed_parts SET (dtype, shape, ref) = (
  SELECT t.dtype, t.shape, t.ref FROM safetensors_tensors(iif(packed_parts.side = 'a', :a, :b)) AS t WHERE t.name = packed_parts.name)
WHERE pair IN (SELECT rowid FROM packed_pairs WHERE scheme_a = scheme_b);
CREATE INDEX temp.packed_parts_by_pair ON packed_parts(pair, side, role);

DROP TABLE IF EXISTS temp.compared;
CREATE TEMP TABLE compared AS
  SELECT d.name, d.name AS label, d.status, d.dtype_a, d.dtype_b, d.shape_a, d.shape_b, d.layer, d.pattern, d.numel, d.n_diff,
         d.max_abs_diff, d.rel_l2, d.cosine, d.l2_a, d.l2_diff, d.ref_a, d.ref_b, d.n_nan, d.n_nan_one, 0 AS new_nan,
         0 AS new_inf, 0 AS codes_a, 0 AS codes_b, 0 AS dequantized
  FROM safetensors_diff(:a, :b) AS d
  LEFT JOIN packed_parts AS a ON a.side = 'a' AND a.name = d.name
  LEFT JOIN packed_parts AS b ON b.side = 'b' AND b.name = d.name
  WHERE a.name IS NULL AND b.name IS NULL;
-- What is a part on one side, and a tensor by itself on the other.
INSERT INTO compared
  SELECT d.name, d.name, iif(a.name IS NULL, 'only_a', 'only_b'), iif(a.name IS NULL, d.dtype_a, NULL),
         iif(b.name IS NULL, d.dtype_b, NULL), iif(a.name IS NULL, d.shape_a, NULL), iif(b.name IS NULL, d.shape_b, NULL),
         d.layer, d.pattern, tensor_numel(iif(a.name IS NULL, d.ref_a, d.ref_b)), NULL, NULL, NULL, NULL, NULL, NULL,
         iif(a.name IS NULL, d.ref_a, NULL), iif(b.name IS NULL, d.ref_b, NULL), NULL, NULL, 0, 0, 0, 0, 0
  FROM safetensors_diff(:a, :b) AS d
  LEFT JOIN packed_parts AS a ON a.side = 'a' AND a.name = d.name
  LEFT JOIN packed_parts AS b ON b.side = 'b' AND b.name = d.name
  WHERE (a.name IS NULL) <> (b.name IS NULL) AND d.dtype_a IS NOT NULL AND d.dtype_b IS NOT NULL;
-- Packed weights are the same if their parts are, byte for byte, and mean the same.
INSERT INTO compared
  SELECT q.name, q.name,
         CASE WHEN q.dtype_a <> q.dtype_b THEN 'retyped'
              WHEN c.equal AND json_extract(q.ref_a, '$.options') IS json_extract(q.ref_b, '$.options') AND NOT EXISTS (
                SELECT 1 FROM packed_parts AS a
                LEFT JOIN packed_parts AS b ON b.side = 'b' AND b.pair = a.pair AND b.role = a.role
                WHERE a.side = 'a' AND a.pair = q.rowid
                  AND (a.dtype IS NOT b.dtype OR a.shape IS NOT b.shape OR tensor_hash(a.ref) IS NOT tensor_hash(b.ref)))
              THEN 'same' ELSE 'changed' END,
         q.dtype_a, q.dtype_b, q.shape, q.shape, q.layer, q.pattern, q.numel, c.n_diff, c.max_abs_diff, c.rel_l2, c.cosine,
         c.l2_a, c.l2_diff, q.ref_a, q.ref_b, c.n_nan, c.n_nan_one, 0, 0, 0, 0, 1
  FROM packed_pairs AS q, tensor_compare(q.ref_a, q.ref_b) AS c;

-- A packed tensor has a scale or the like in its module ("q_proj.") or under its own name ("q_proj.weight.").
-- Scales of activations and caches say nothing about weights.
DROP TABLE IF EXISTS temp.scaled_modules;
CREATE TEMP TABLE scaled_modules(side, module, PRIMARY KEY(side, module)) WITHOUT ROWID;
INSERT OR IGNORE INTO scaled_modules
  SELECT side, module
  FROM (SELECT side, module, substr(name, length(module) + 1) AS last
        FROM (SELECT 'a' AS side, name, rtrim(name, replace(name, '.', '')) AS module
              FROM compared WHERE status <> 'only_b'
              UNION ALL
              SELECT 'b', name, rtrim(name, replace(name, '.', '')) FROM compared WHERE status <> 'only_a'))
  WHERE (last LIKE '%scale%' OR last LIKE '%absmax%' OR last LIKE '%zero%' OR last LIKE '%codebook%'
         OR last LIKE '%quant%map%' OR last = 'SCB')
    AND last NOT IN ('input_scale', 'output_scale', 'input_global_scale', 'scale_input', 'scale_output',
                     'k_scale', 'v_scale', 'q_scale');
CREATE TEMP VIEW IF NOT EXISTS code_tensors AS
  SELECT row, side FROM (
    SELECT c.rowid AS row, s.side, c.name, iif(s.side = 'a', dtype_a, dtype_b) AS dtype,
           rtrim(name, replace(name, '.', '')) AS module, dequantized
    FROM compared AS c JOIN (SELECT 'a' AS side UNION ALL SELECT 'b') AS s
  ) AS t
  WHERE t.dtype IS NOT NULL AND NOT t.dequantized AND (
    EXISTS (SELECT 1 FROM scaled_modules AS m WHERE m.side = t.side AND m.module = t.name || '.')
    OR (t.dtype IN ('I8', 'U8', 'I16', 'U16', 'I32', 'U32') OR t.dtype GLOB 'F[468]_*' OR t.dtype = 'F4')
       AND (EXISTS (SELECT 1 FROM scaled_modules AS m WHERE m.side = t.side AND
                    m.module = iif(t.module LIKE '%.\_data.' ESCAPE '\',
                                   substr(t.module, 1, length(t.module) - 6), t.module))
            OR t.name LIKE '%qweight' OR t.name LIKE '%\_packed' ESCAPE '\'));
UPDATE compared SET codes_a = 1 WHERE rowid IN (SELECT row FROM code_tensors WHERE side = 'a');
UPDATE compared SET codes_b = 1 WHERE rowid IN (SELECT row FROM code_tensors WHERE side = 'b');

-- Tensors whose names differ only in the prefix become one row, under a's name, instead of two.
DROP TABLE IF EXISTS temp.renamed_by_prefix;
CREATE TEMP TABLE renamed_by_prefix AS
  SELECT a.rowid AS a_row, b.rowid AS b_row, a.shape_a <> b.shape_b AS reshaped
  FROM parameters AS p JOIN compared AS a ON substr(a.name, 1, length(p.prefix_a)) = p.prefix_a
  JOIN compared AS b ON b.name = p.prefix_b || substr(a.name, length(p.prefix_a) + 1)
  WHERE a.status = 'only_a' AND b.status = 'only_b' AND p.prefix_a <> p.prefix_b;
UPDATE compared SET
  (status, dtype_b, shape_b, ref_b, n_diff, max_abs_diff, rel_l2, cosine, l2_a, l2_diff, n_nan, n_nan_one,
   codes_b) = (
    SELECT CASE WHEN r.reshaped THEN 'reshaped'
                WHEN compared.dtype_a <> b.dtype_b THEN 'retyped'
                WHEN c.equal THEN 'same' ELSE 'changed' END,
           b.dtype_b, b.shape_b, b.ref_b, c.n_diff, c.max_abs_diff, c.rel_l2, c.cosine, c.l2_a,
           c.l2_diff, c.n_nan, c.n_nan_one, b.codes_b
    FROM renamed_by_prefix AS r JOIN compared AS b ON b.rowid = r.b_row
    LEFT JOIN tensor_compare(iif(r.reshaped, NULL, compared.ref_a), b.ref_b) AS c
    WHERE r.a_row = compared.rowid)
WHERE rowid IN (SELECT a_row FROM renamed_by_prefix);
DELETE FROM compared WHERE rowid IN (SELECT b_row FROM renamed_by_prefix);

-- Counts the NaNs of b where a has none, and the infinities of b that a does not have in the same place. If both
-- have a tensor, there can be new ones only if a NaN is paired with a number, or a difference is infinite.
DROP TABLE IF EXISTS temp.not_finite;
CREATE TEMP TABLE not_finite AS
  SELECT c.rowid AS row, c.status, c.dtype_b, c.n_nan, c.ref_a, c.ref_b, b.n_nan AS nan_b, b.n_inf AS inf_b
  FROM compared AS c, tensor_stats(c.ref_b) AS b
  WHERE (c.dtype_b LIKE '%F%' OR c.dtype_b = 'C64' OR c.dequantized)
    AND (c.status IN ('only_b', 'reshaped') OR c.n_nan_one > 0 OR c.max_abs_diff = 9e999)
    AND b.n_nan + b.n_inf > 0;
UPDATE compared SET (new_nan, new_inf) = (
  SELECT CASE f.status WHEN 'only_b' THEN nan_b WHEN 'reshaped' THEN max(0, nan_b - ifnull(a.n_nan, 0))
                       ELSE nan_b - f.n_nan END,
         CASE WHEN inf_b = 0 OR ifnull(a.n_inf, 0) = 0 THEN inf_b
              WHEN f.status = 'reshaped' OR dtype_b = 'C64' THEN max(0, inf_b - a.n_inf)
              ELSE (SELECT count(*) FROM (
                      SELECT idx, value FROM tensor_elements(f.ref_b) WHERE abs(value) = 9e999
                      EXCEPT
                      SELECT idx, value FROM tensor_elements(f.ref_a) WHERE abs(value) = 9e999)) END
  FROM not_finite AS f LEFT JOIN tensor_stats(f.ref_a) AS a WHERE f.row = compared.rowid)
WHERE rowid IN (SELECT row FROM not_finite);

UPDATE compared SET max_abs_diff = NULL, rel_l2 = NULL, cosine = NULL, l2_a = NULL, l2_diff = NULL,
                    n_diff = iif(codes_a AND codes_b AND dtype_a = dtype_b, n_diff, NULL)
WHERE codes_a OR codes_b;

-- Shortens names to 38 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE compared SET label = (
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

-- Weights of one checkpoint that are packed in the other, which has a scale in the same module.
DROP TABLE IF EXISTS temp.packed_in_other;
CREATE TEMP TABLE packed_in_other AS
  SELECT c.rowid AS row, c.status FROM compared AS c JOIN scaled_modules AS m
    ON m.side = iif(c.status = 'only_a', 'b', 'a') AND m.module = rtrim(c.name, replace(c.name, '.', ''))
  WHERE c.status IN ('only_a', 'only_b') AND NOT codes_a AND NOT codes_b AND c.name LIKE '%weight';

-- Tensors with the same bytes under another name, if exactly one tensor on each side has them.
DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS
  WITH a AS MATERIALIZED (
    SELECT rowid AS row, label, dtype_a AS dtype, shape_a AS shape, tensor_hash(ref_a) AS hash
    FROM compared WHERE status = 'only_a' AND numel > 0 AND (dtype_a, shape_a) IN (
      SELECT dtype_b, shape_b FROM compared WHERE status = 'only_b')
  ), b AS MATERIALIZED (
    SELECT rowid AS row, label, dtype_b AS dtype, shape_b AS shape, tensor_hash(ref_b) AS hash
    FROM compared WHERE status = 'only_b' AND numel > 0 AND (dtype_b, shape_b) IN (
      SELECT dtype_a, shape_a FROM compared WHERE status = 'only_a')
  )
  SELECT min(a.label) AS name_a, min(b.label) AS name_b, min(a.row) AS row, min(b.row) AS row_b
  FROM a JOIN b USING (hash, dtype, shape) GROUP BY hash, dtype, shape HAVING count(*) = 1;
-- In PEFT, base_model.model.X.lora_A.weight modifies X.weight.
DROP TABLE IF EXISTS temp.adapted;
CREATE TEMP TABLE adapted AS
  SELECT a.pattern, json_extract(l.shape_b, '$[0]') AS rank,
         json_extract(l.shape_b, '$[1]') = json_extract(a.shape_a, '$[1]') AS fits
  FROM compared AS l
  JOIN compared AS a
    ON a.name = replace(replace(l.name, 'base_model.model.', ''), '.lora_A.weight', '.weight')
  WHERE l.status = 'only_b' AND l.name LIKE '%.lora\_A.weight' ESCAPE '\'
    AND a.shape_a IS NOT NULL;
.mode list
.headers off

.print == Verdict
WITH counted AS MATERIALIZED (
  SELECT count(*) AS tensors, total(status NOT IN ('only_a', 'only_b')) AS common,
         total(status <> 'only_a') AS in_b, total(status = 'same') AS same,
         total(status = 'changed' AND NOT (dequantized AND n_diff = 0) OR status = 'retyped' AND n_diff > 0) AS changed,
         total(status IN ('same', 'changed') OR status = 'retyped' AND NOT codes_a AND NOT codes_b) AS comparable,
         total(status = 'retyped') AS retyped, total(status = 'reshaped') AS reshaped,
         total(status = 'only_a') - (SELECT count(*) FROM renamed)
         - (SELECT total(status = 'only_a') FROM packed_in_other) AS only_a,
         total(status = 'only_b') - (SELECT count(*) FROM renamed) AS only_b,
         (SELECT total(status = 'only_a') FROM packed_in_other) AS packed_in_b,
         (SELECT total(status = 'only_b') FROM packed_in_other) AS packed_in_a,
         (SELECT count(*) FROM renamed) AS renamed, (SELECT count(*) FROM adapted) AS adapted,
         total(new_nan + new_inf > 0) AS bad, total(new_nan) AS new_nan, total(new_inf) AS new_inf,
         total(n_nan_one > new_nan) AS nan_gone,
         total((codes_a OR codes_b) AND status IN ('changed', 'retyped', 'reshaped')) AS codes
  FROM compared
)
SELECT l.value FROM counted, json_each(json_array(
  iif(bad > 0, printf('error: %,d tensor%s of b ha%s NaN or infinities where a has none: %,d NaN,'
                      || char(10) || '  %,d infinite.', bad, iif(bad = 1, '', 's'), iif(bad = 1, 's', 've'),
                      new_nan, new_inf), NULL),
  iif(common + renamed + adapted + packed_in_a + packed_in_b = 0 AND in_b > 0 AND in_b < tensors,
      'warning: no tensor of b has the name of one of a. If names begin differently,'
      || char(10) || '  set :prefix_a and :prefix_b.', NULL),
  iif(reshaped > 0, printf('warning: %,d tensor%s another shape.', reshaped, iif(reshaped = 1, ' has', 's have')),
      NULL),
  iif(only_a > 0 AND adapted = 0,
      printf('warning: %,d tensor%s of a %s not in b.', only_a, iif(only_a = 1, '', 's'),
             iif(only_a = 1, 'is', 'are')), NULL),
  iif(packed_in_b > 0, printf('warning: %,d weight%s of a %s packed in b: not compared.', packed_in_b,
                              iif(packed_in_b = 1, '', 's'), iif(packed_in_b = 1, 'is', 'are')), NULL),
  iif(packed_in_a > 0, printf('warning: %,d weight%s of b %s packed in a: not compared.', packed_in_a,
                              iif(packed_in_a = 1, '', 's'), iif(packed_in_a = 1, 'is', 'are')), NULL),
  iif(codes > 0, printf('warning: %,d tensor%s packed codes: other bytes, but not compared as numbers.', codes,
                        iif(codes = 1, ' is', 's are')), NULL),
  iif(nan_gone > 0, printf('warning: %,d tensor%s of a ha%s NaN where b has numbers: left out of distances.',
                           nan_gone, iif(nan_gone = 1, '', 's'), iif(nan_gone = 1, 's', 've')), NULL),
  (SELECT group_concat(line, char(10)) FROM (
     SELECT printf('%,d weight%s packed in %s (%s), and compared dequantized: rel_l2 %s.', count(*), iif(count(*) = 1, ' is', 's are'),
                   side, iif(length(group_concat(DISTINCT scheme)) > 14, substr(group_concat(DISTINCT scheme), 1, 11) || '...',
                             group_concat(DISTINCT scheme)),
                   CASE WHEN total(new_nan + new_inf) > 0 THEN 'NaN' WHEN total(l2_diff) = 0 THEN '0' WHEN total(l2_a) = 0 THEN 'Inf'
                        ELSE printf('%.3g', sqrt(total(l2_diff * l2_diff) / total(l2_a * l2_a))) END) AS line
     FROM (SELECT c.*, iif(q.scheme_a = 'none', q.scheme_b, q.scheme_a) AS scheme,
                  CASE WHEN q.scheme_a = 'none' THEN 'b' WHEN q.scheme_b = 'none' THEN 'a' ELSE 'both' END AS side
           FROM packed_pairs AS q JOIN compared AS c ON c.dequantized AND c.name = q.name)
     GROUP BY side ORDER BY side)),
  iif(adapted > 0, printf('b has parts of a LoRA adapter for %,d weight%s of a.', adapted,
                          iif(adapted = 1, '', 's')), NULL),
  iif(renamed > 0, printf('%,d tensor%s renamed: the same bytes have another name.', renamed,
                          iif(renamed = 1, ' is', 's are')), NULL),
  iif(comparable > 0 AND same < tensors,
      printf('%,d of %,d tensors that can be compared %s other values%s.', changed, comparable,
             iif(changed = 1, 'has', 'have'),
             iif(retyped > 0, printf(', %,d %s another dtype', retyped, iif(retyped = 1, 'has', 'have')), '')),
      NULL),
  iif(only_b > 0, printf('%,d tensor%s only in b.', only_b, iif(only_b = 1, ' is', 's are')), NULL),
  iif(same = tensors AND tensors > 0, 'All tensors are the same, byte for byte.', NULL),
  iif(bad = 0 AND in_b > 0, 'No NaN and no infinity is new in b.', NULL),
  iif(tensors = 0, 'Neither has a tensor.', NULL)
)) AS l JOIN (SELECT 1) ON l.value IS NOT NULL;

SELECT char(10) || '== New NaN and infinities' FROM compared WHERE new_nan + new_inf > 0 LIMIT 1;
.mode column
.headers on
SELECT label AS name, dtype_b AS dtype, printf('%,d', new_nan) AS nan, printf('%,d', new_inf) AS inf,
       printf('%5.1f%%', 100.0 * (new_nan + new_inf) / tensor_numel(ref_b)) AS " share"
FROM compared AS c WHERE new_nan + new_inf > 0 ORDER BY c.new_nan + c.new_inf DESC, c.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more, with %,d NaN and %,d infinities', count(*), sum(new_nan), sum(new_inf))
FROM (SELECT * FROM compared AS c WHERE new_nan + new_inf > 0
      ORDER BY c.new_nan + c.new_inf DESC, c.rowid LIMIT -1 OFFSET 20) HAVING count(*) > 0;
.print
.mode column
.headers on

.print == Tensors by status
SELECT status, count(*) AS tensors, printf('%10s', safetensors_pretty(sum(numel))) AS parameters,
       printf('%8s', iif(count(n_diff), safetensors_pretty(sum(n_diff)), '-')) AS "  differ"
FROM compared GROUP BY status ORDER BY count(*) DESC, status;
.mode list
.headers off
SELECT 'None: neither has a tensor.' WHERE NOT EXISTS (SELECT 1 FROM compared);
.mode column
.headers on
.print

.print == By layer
SELECT ifnull(c.layer, '-') AS layer, count(*) AS tensors, sum(status <> 'same') AS not_same,
       printf('%5.1f%%', 100.0 * sum(status <> 'same') / count(*)) AS " share",
       iif(count(n_diff), printf('%5.1f%%', 100.0 * total(n_diff) / nullif(total(numel) FILTER
           (WHERE n_diff IS NOT NULL), 0)), '-') AS values_differ,
       CASE WHEN total(new_nan + new_inf) > 0 THEN 'not finite'
            WHEN max((codes_a OR codes_b) AND status <> 'same') THEN 'codes'
            WHEN total(l2_a * l2_a) > 0
            THEN printf('%.3g', sqrt(total(l2_diff * l2_diff) / total(l2_a * l2_a))) ELSE '-' END AS rel_l2
FROM compared AS c GROUP BY c.layer ORDER BY c.layer;
.mode list
.headers off
SELECT 'None.' WHERE NOT EXISTS (SELECT 1 FROM compared);
.mode column
.headers on
.print

.print == Twenty most changed tensors
SELECT label AS name, printf('%5.1f%%', 100.0 * n_diff / numel) AS differ,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN max_abs_diff IS NULL THEN '-'
            ELSE printf('%.3g', max_abs_diff) END AS max,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN rel_l2 IS NULL THEN '-' ELSE printf('%.3g', rel_l2) END AS rel_l2,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN cosine IS NULL THEN '-' ELSE printf('%.6f', cosine) END AS cosine
FROM compared AS c WHERE n_diff > 0 AND NOT codes_a AND NOT codes_b
ORDER BY c.new_nan + c.new_inf > 0 DESC, c.rel_l2 DESC, c.max_abs_diff DESC, c.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM compared
WHERE n_diff > 0 AND NOT codes_a AND NOT codes_b HAVING count(*) > 20;
SELECT iif(EXISTS (SELECT 1 FROM compared WHERE (codes_a OR codes_b) AND status IN ('changed', 'retyped')),
           'None: of what is compared as numbers, all values are the same.',
           'None: what both have, with one shape, has the same values.')
WHERE NOT EXISTS (SELECT 1 FROM compared WHERE n_diff > 0 AND NOT codes_a AND NOT codes_b);
.print

DROP TABLE IF EXISTS temp.compared_codes;
CREATE TEMP TABLE compared_codes AS
  SELECT label, dtype_a, dtype_b, numel, n_diff, 1.0 * n_diff / numel AS share,
         CASE WHEN NOT codes_b THEN 'codes in a, values in b' WHEN NOT codes_a THEN 'values in a, codes in b'
              ELSE 'codes differ' END AS what
  FROM compared AS c WHERE (codes_a OR codes_b) AND status IN ('changed', 'retyped', 'reshaped')
  ORDER BY c.codes_a AND c.codes_b, share DESC, c.rowid;
SELECT '== Packed, not compared as numbers' FROM compared_codes LIMIT 1;
.mode column
.headers on
SELECT label AS name, iif(dtype_a = dtype_b, dtype_a, dtype_a || ' > ' || dtype_b) AS dtype,
       iif(n_diff IS NULL, '-', printf('%5.1f%%', 100 * share)) AS differ, what
FROM compared_codes AS c ORDER BY c.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM compared_codes HAVING count(*) > 20;
SELECT '' FROM compared_codes LIMIT 1;
.mode column
.headers on

.print == In one only, retyped or reshaped
DROP TABLE IF EXISTS temp.compared_otherwise;
CREATE TEMP TABLE compared_otherwise AS
  SELECT label, status, substr(CASE status WHEN 'retyped' THEN dtype_a || ' > ' || dtype_b
                                           WHEN 'reshaped' THEN shape_a || ' > ' || shape_b
                                           WHEN 'only_a' THEN dtype_a || ' ' || shape_a
                                           ELSE dtype_b || ' ' || shape_b END, 1, 30) AS what,
         row_number() OVER (PARTITION BY status ORDER BY rowid) AS n,
         CASE status WHEN 'reshaped' THEN 1 WHEN 'only_a' THEN 2 WHEN 'only_b' THEN 3 ELSE 4 END AS place
  FROM compared WHERE status NOT IN ('same', 'changed')
    AND rowid NOT IN (SELECT row FROM renamed UNION ALL SELECT row_b FROM renamed);
SELECT label AS name, status, what FROM compared_otherwise AS o WHERE o.n <= 10 ORDER BY o.place, o.n;
.mode list
.headers off
SELECT printf('and %,d more %s', count(*) - 10, status) FROM compared_otherwise
GROUP BY status HAVING count(*) > 10 ORDER BY place;
SELECT iif(EXISTS (SELECT 1 FROM renamed), 'None but what is renamed.', 'None.')
WHERE NOT EXISTS (SELECT 1 FROM compared_otherwise);
.mode column
.headers on
.print

-- Ranges of adjacent layers in which nothing differs; then, where some layers differ, the patterns whose tensors
-- differ in none of them.
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

-- The remaining tables are printed only if they have rows.

.mode list
.headers off
SELECT char(10) || '== Renamed' WHERE EXISTS (SELECT 1 FROM renamed);
.mode column
.headers on
SELECT name_a, name_b FROM renamed ORDER BY row LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM renamed HAVING count(*) > 20;

SELECT char(10) || '== Weights of a that the LoRA adapter b changes'
WHERE EXISTS (SELECT 1 FROM adapted);
.mode column
.headers on
SELECT iif(length(pattern) > 40, '...' || substr(pattern, -37), pattern) AS pattern,
       count(*) AS weights, substr(group_concat(DISTINCT rank), 1, 16) AS ranks,
       iif(min(fits), 'yes', 'no') AS shapes_fit
FROM adapted AS a GROUP BY a.pattern ORDER BY a.pattern;

.mode list
.headers off
SELECT char(10) || '== Three ways: b and c, each compared with a' WHERE :c IS NOT NULL;
.mode column
.headers on
SELECT ifnull(b.status, '-') AS status_b, ifnull(c.status, '-') AS status_c, count(*) AS tensors
FROM compared_c AS c FULL JOIN compared AS b USING (name)
WHERE :c IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;
