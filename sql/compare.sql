-- What did the fine-tune change?
--
-- Compares model b with model a, its base. The first line is the verdict, of one of these kinds: identical; retyped
-- (the same weights, rounded or packed); part (what both have is the same); low-rank (as an adapter that was merged
-- leaves it); layers; continued (every layer changed); retrained (unrelated weights in the same architecture); other;
-- adapter (b is an adapter for a). Below it stand NaNs and infinities, then what is new, gone, renamed or of another
-- shape, then what was not compared, and then the distances. Each pair of tensors is read once; embeddings of which
-- some rows changed, and some rows of a few other tensors, are read a second time.
--
-- Tensors are paired by name; then by the names without their prefixes, if they begin differently; then by their bytes.
-- Give prefix_a and prefix_b where that does not find them (one is enough if the other is empty).
--
-- A weight that is packed in a or b is compared by what it stands for. Its dtype is then the scheme, such as gptq, and
-- its parts have no rows. One tensor that is longer than the other is compared as far as both go (resized), and one
-- that has other dimensions of 1 in row-major order (reshaped). What cannot be compared as numbers has the reason in
-- not_compared, and NULL for numbers.
--
-- The numbers mean what they mean in safetensors_diff: rel_l2 is the norm of the difference divided by the norm of a.
-- NaN is left out of them. new_nan and new_inf count the elements of b that are NaN or infinite where those of a are
-- not, gone_nan those that are NaN in a alone, nan_both those that are NaN in both.
--
-- Low rank is found by sampling: up to 192 rows of the difference in up to 2 tensors. `directions` is how many
-- directions hold 95% of it, without what rounding adds. Ranks above 72 are not found.
--
-- @alias diff
-- @param a path required      the model before
-- @param b path required      the model after
-- @param c path               another fine-tune of a, to compare the two
-- @param prefix_a text ''     what the names of a begin with
-- @param prefix_b text ''     what the names of b begin with instead
-- @param format enum text|json|csv|junit|sarif   how to print the tables
-- @table compared(name, name_b, status, not_compared, stack, layer, pattern, dtype_a, dtype_b, shape_a, shape_b,
--    numel, n_diff, max_abs_diff, rel_l2, cosine, l2_a, l2_b, l2_diff, nan_both, new_nan, new_inf, gone_nan, rounded,
--    ref_a, ref_b)   one row per tensor, which is same, changed, retyped, resized, reshaped, only_a or only_b;
--    rounded: one is the other, rounded, or both are of the same
-- @table comparison(kind, verdict, tensors_a, tensors_b, paired, same, compared, rel_l2, new_nan, new_inf)   one row
-- @table compared_findings(rule, level, file, tensor, message)   what should be looked at, the worst first
-- @table compared_layers(stack, layer, tensors, same, changed, numel, n_diff, rel_l2, share, not_compared, new_nan,
--    new_inf)   one row per layer; share: of all that changed, by squares
-- @table compared_rows(name, first, last, status)   ranges of rows of embeddings: changed, new, gone
-- @table compared_ranks(name, rows, directions, low)   the tensors that were sampled; low: whether the rank is low
-- @table untouched(untouched, tensors, numel)   groups of tensors that are all the same
-- @table compared_c(name, status_b, status_c, cosine)   with c: one row per tensor of a or c, and the cosine of the two
--    changes where b and c changed it
-- @status 1                   when b has NaN or infinities where a has none
-- @example safetensors-sql compare base.safetensors tune.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  a TEXT CONSTRAINT ":a is set" CHECK (a IS NOT NULL),
  b TEXT CONSTRAINT ":b is set" CHECK (b IS NOT NULL),
  c TEXT, prefix_a TEXT, prefix_b TEXT,
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :a, :b, :c, ifnull(:prefix_a, ''), ifnull(:prefix_b, ''), ifnull(:format, 'text')
  WHERE safetensors_parameters(':a', ':b', ':c', ':prefix_a', ':prefix_b', ':format');

-- What a run before left in this session.
DROP TABLE IF EXISTS temp.compare_models; DROP TABLE IF EXISTS temp.compare_weights; DROP TABLE IF EXISTS temp.compare_prefixes;
DROP TABLE IF EXISTS temp.compare_ends; DROP TABLE IF EXISTS temp.compare_moves; DROP TABLE IF EXISTS temp.compare_hashes;
DROP TABLE IF EXISTS temp.compare_pairs; DROP TABLE IF EXISTS temp.compare_alike; DROP TABLE IF EXISTS temp.compared;
DROP TABLE IF EXISTS temp.compare_not_finite; DROP TABLE IF EXISTS temp.compare_kinds; DROP TABLE IF EXISTS temp.compare_samples;
DROP TABLE IF EXISTS temp.compare_products; DROP TABLE IF EXISTS temp.compare_remainders; DROP TABLE IF EXISTS temp.compare_factors;
DROP TABLE IF EXISTS temp.compare_left; DROP TABLE IF EXISTS temp.compare_steps; DROP TABLE IF EXISTS temp.compared_ranks;
DROP TABLE IF EXISTS temp.compared_rows; DROP TABLE IF EXISTS temp.compared_layers; DROP TABLE IF EXISTS temp.untouched;
DROP TABLE IF EXISTS temp.compared_c; DROP TABLE IF EXISTS temp.compare_adapted; DROP TABLE IF EXISTS temp.compare_counts;
DROP TABLE IF EXISTS temp.compare_spans; DROP TABLE IF EXISTS temp.compare_words; DROP TABLE IF EXISTS temp.comparison; DROP TABLE IF EXISTS temp.compared_findings;

-- Each is one model; beside models in its folders, a folder stands for the one that is in itself.
CREATE TEMP TABLE compare_models AS
  SELECT g.side, g.path, m.model, m.kind, m.model = rtrim(g.path, '/') OR m.model = g.path OR substr(m.model, 1, length(rtrim(g.path, '/')) + 1) = rtrim(g.path, '/') || '/'
         AND instr(substr(m.model, length(rtrim(g.path, '/')) + 2), '/') = 0 AS here
  FROM (SELECT 'a' AS side, a AS path FROM parameters UNION ALL SELECT 'b', b FROM parameters
        UNION ALL SELECT 'c', c FROM parameters WHERE c IS NOT NULL) AS g, safetensors_models(g.path) AS m;
DELETE FROM compare_models WHERE NOT here AND side IN (SELECT side FROM compare_models GROUP BY side HAVING total(here) = 1);
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(
  one_model,
  some_a CONSTRAINT ":a has a tensor" CHECK (some_a > 0),
  some_b CONSTRAINT ":b has a tensor" CHECK (some_b > 0),
  some_c CONSTRAINT ":c has a tensor" CHECK (some_c > 0),
  begin_a CONSTRAINT "the name of a tensor of :a begins with :prefix_a" CHECK (begin_a > 0),
  begin_b CONSTRAINT "the name of a tensor of :b begins with :prefix_b" CHECK (begin_b > 0)
);
INSERT INTO needs(one_model)
  SELECT safetensors_refuse(printf(':%s is %d models, and one is compared: %s%s', side, max(of),
           group_concat(safetensors_label(model), ', '), iif(max(of) > 20, ', …', '')))
  FROM (SELECT side, model, row_number() OVER (PARTITION BY side) AS n, count(*) OVER (PARTITION BY side) AS of FROM compare_models)
  WHERE of > 1 AND n <= 20 GROUP BY side;
INSERT INTO needs(some_a, some_b, some_c)
  SELECT total(side = 'a'), total(side = 'b'), iif(c IS NULL, 1, total(side = 'c')) FROM parameters LEFT JOIN compare_models;
UPDATE parameters SET a = (SELECT model FROM compare_models WHERE side = 'a'), b = (SELECT model FROM compare_models WHERE side = 'b'),
                      c = (SELECT model FROM compare_models WHERE side = 'c');

-- Weights as modules see them: what is packed is one, and its parts are none.
CREATE TEMP TABLE compare_weights(
  id INTEGER PRIMARY KEY, side TEXT, name TEXT, scheme TEXT, dtype TEXT, shape TEXT, numel INTEGER, layer INTEGER,
  pattern TEXT, parts TEXT, why TEXT, ref TEXT, pair INTEGER, UNIQUE(side, name)
);
CREATE INDEX temp.compare_weights_by_pair ON compare_weights(side, pair);
INSERT OR IGNORE INTO compare_weights(side, name, scheme, dtype, shape, numel, layer, pattern, parts, why, ref)
  SELECT side, name, scheme, iif(scheme = 'none', dtype, scheme), shape, numel, layer, pattern, parts,
         CASE WHEN scheme = 'unknown' THEN 'packed in a way that is not known'
              WHEN ref IS NULL THEN scheme || ': ' || status END, iif(scheme = 'unknown', NULL, ref)
  FROM (SELECT 'a' AS side, t.* , t.layer, t.pattern, t.parts, t.ref FROM safetensors_weights((SELECT a FROM parameters)) AS t
        UNION ALL SELECT 'b', t.*, t.layer, t.pattern, t.parts, t.ref FROM safetensors_weights((SELECT b FROM parameters)) AS t);
INSERT INTO needs(some_a, some_b) SELECT total(side = 'a'), total(side = 'b') FROM compare_weights;
INSERT INTO needs(some_c) SELECT count(*) FROM parameters AS p, safetensors_tensors(p.c) HAVING :c IS NOT NULL;
INSERT INTO needs(begin_a) SELECT total(side = 'a' AND substr(name, 1, length(prefix_a)) = prefix_a) FROM compare_weights, parameters HAVING :prefix_a <> '';
INSERT INTO needs(begin_b) SELECT total(side = 'b' AND substr(name, 1, length(prefix_b)) = prefix_b) FROM compare_weights, parameters HAVING :prefix_b <> '';

-- == Pairs. `pair` of a weight is the id of the one it is compared with.
UPDATE compare_weights AS w SET pair = (
  SELECT o.id FROM compare_weights AS o WHERE o.name = w.name AND o.side = iif(w.side = 'a', 'b', 'a'));
CREATE TEMP TABLE compare_prefixes(
  id INTEGER PRIMARY KEY, prefix_a TEXT, prefix_b TEXT, votes INTEGER, given INTEGER, example_a INTEGER, example_b INTEGER
);
INSERT INTO compare_prefixes(prefix_a, prefix_b, given) SELECT prefix_a, prefix_b, 1 FROM parameters WHERE prefix_a <> prefix_b;
-- The ends of names that no other name on that side has.
CREATE TEMP TABLE compare_ends AS
  WITH RECURSIVE ends(side, id, name, shape, rest) AS (
    SELECT side, id, name, shape, name FROM compare_weights
    WHERE pair IS NULL AND EXISTS (SELECT 1 FROM compare_weights WHERE pair IS NULL AND side = 'a')
      AND EXISTS (SELECT 1 FROM compare_weights WHERE pair IS NULL AND side = 'b') AND NOT EXISTS (SELECT 1 FROM compare_prefixes)
    UNION ALL
    SELECT side, id, name, shape, substr(rest, instr(rest, '.') + 1) FROM ends WHERE instr(rest, '.') > 0
  )
  SELECT side, id, rest, min(shape) AS shape, substr(name, 1, length(name) - length(rest)) AS prefix
  FROM ends GROUP BY side, rest HAVING count(*) = 1;
CREATE INDEX temp.compare_ends_by_rest ON compare_ends(side, rest);
INSERT INTO compare_prefixes(prefix_a, prefix_b, votes, example_a, example_b)
  SELECT prefix_a, prefix_b, count(*), id_a, max(id_b) FROM (
    SELECT a.id AS id_a, b.id AS id_b, a.prefix AS prefix_a, b.prefix AS prefix_b, max(length(a.rest)), a.rest
    FROM compare_ends AS a JOIN compare_ends AS b ON b.side = 'b' AND b.rest = a.rest AND b.shape = a.shape
    WHERE a.side = 'a' AND (a.prefix = '' OR b.prefix = '' OR instr(a.rest, '.') > 0) GROUP BY a.id)
  GROUP BY prefix_a, prefix_b HAVING count(*) > 1 OR total(instr(rest, '.')) > 0 ORDER BY count(*) DESC, length(prefix_a) + length(prefix_b);
-- Where both sides have a prefix, the ends may agree by chance: then the weights of an example must resemble.
DELETE FROM compare_prefixes WHERE given IS NULL AND prefix_a <> '' AND prefix_b <> '' AND ifnull((
  SELECT c.cosine < 0.3 AND NOT c.equal FROM compare_weights AS a JOIN compare_weights AS b, tensor_compare(a.ref, b.ref) AS c
  WHERE a.id = example_a AND b.id = example_b), 1);
CREATE TEMP TABLE compare_moves(id_a INTEGER UNIQUE, id_b INTEGER UNIQUE);
CREATE TEMP TRIGGER compare_move AFTER INSERT ON compare_moves BEGIN
  UPDATE compare_weights SET pair = new.id_b WHERE id = new.id_a;
  UPDATE compare_weights SET pair = new.id_a WHERE id = new.id_b;
END;
INSERT OR IGNORE INTO compare_moves
  SELECT a.id, b.id FROM compare_prefixes AS p JOIN compare_weights AS a
    ON a.side = 'a' AND a.pair IS NULL AND substr(a.name, 1, length(p.prefix_a)) = p.prefix_a JOIN compare_weights AS b
    ON b.side = 'b' AND b.pair IS NULL AND b.name = p.prefix_b || substr(a.name, length(p.prefix_a) + 1) ORDER BY p.id, a.id;
-- What is left, by bytes: in the order of both where several have the same, as norms of ones do, but only if tensors that
-- have no double are found, too, and more of them; else they are of two models.
CREATE TEMP TABLE compare_hashes AS
  SELECT *, row_number() OVER (PARTITION BY side, hash, dtype, shape ORDER BY id) AS n, count(*) OVER (PARTITION BY side, hash, dtype, shape) AS of
  FROM (SELECT id, side, dtype, shape, numel, tensor_hash(ref) AS hash FROM compare_weights AS w
        WHERE pair IS NULL AND scheme = 'none' AND numel > 0 AND EXISTS (
          SELECT 1 FROM compare_weights AS o
          WHERE o.side = iif(w.side = 'a', 'b', 'a') AND o.pair IS NULL AND o.dtype = w.dtype AND o.shape = w.shape));
INSERT OR IGNORE INTO compare_moves
  SELECT id_a, id_b FROM (
    SELECT a.id AS id_a, b.id AS id_b, a.of, sum(iif(a.of = 1, a.numel, 0)) OVER () > sum(iif(a.of = 1, 0, a.numel)) OVER () AS sure
    FROM compare_hashes AS a JOIN compare_hashes AS b USING (hash, dtype, shape, n, of) WHERE a.side = 'a' AND b.side = 'b') WHERE of = 1 OR sure;

-- == How each pair is compared: plain (by safetensors_diff, which looks at bytes, too), or by two expressions.
CREATE TEMP TABLE compare_pairs AS
  WITH shapes AS (
    SELECT w.id, json_group_array(j.value) FILTER (WHERE j.value <> 1) AS squeezed
    FROM compare_weights AS w, json_each(w.shape) AS j GROUP BY w.id
  ), overlaps AS (
    SELECT a.id, group_concat(':' || min(x.value, y.value)) AS slice,
           min(x.value <= y.value) OR min(x.value >= y.value) AS one_way, total(x.value <> y.value) AS n_differ,
           total(x.value <> y.value AND x.key > 0) = 0 AS rows_alone, min(x.value <= y.value) AS b_longer
    FROM compare_weights AS a JOIN compare_weights AS b ON b.id = a.pair, json_each(a.shape) AS x JOIN json_each(b.shape) AS y ON y.key = x.key
    WHERE a.side = 'a' AND a.shape <> b.shape AND json_array_length(a.shape) = json_array_length(b.shape) GROUP BY a.id
  )
  SELECT a.id AS id_a, b.id AS id_b, o.slice, o.b_longer, o.n_differ, o.rows_alone,
         CASE WHEN b.id IS NULL THEN 'only_a' WHEN a.ref IS NULL OR b.ref IS NULL THEN 'codes'
              WHEN a.shape = b.shape AND a.scheme = 'none' AND b.scheme = 'none' AND a.name = b.name THEN 'plain'
              WHEN a.shape = b.shape THEN 'whole' WHEN ifnull(x.squeezed, '[]') = ifnull(y.squeezed, '[]') THEN 'flat'
              WHEN o.one_way THEN 'overlap' ELSE 'none' END AS way
  FROM compare_weights AS a LEFT JOIN compare_weights AS b ON b.id = a.pair
  LEFT JOIN shapes AS x ON x.id = a.id LEFT JOIN shapes AS y ON y.id = b.id LEFT JOIN overlaps AS o ON o.id = a.id WHERE a.side = 'a'
  UNION ALL SELECT NULL, id, NULL, NULL, NULL, NULL, 'only_b' FROM compare_weights WHERE side = 'b' AND pair IS NULL;
-- Packed alike: the same if all parts are, and mean the same.
CREATE TEMP TABLE compare_alike(id INTEGER PRIMARY KEY);
INSERT INTO compare_alike
  SELECT a.id FROM compare_pairs AS p JOIN compare_weights AS a ON a.id = p.id_a JOIN compare_weights AS b ON b.id = p.id_b
  WHERE p.way IN ('whole', 'codes') AND a.scheme = b.scheme AND a.parts IS NOT NULL
    AND json_extract(iif(a.ref LIKE '{%', a.ref, '{}'), '$.options') IS json_extract(iif(b.ref LIKE '{%', b.ref, '{}'), '$.options')
    AND (SELECT group_concat(key) FROM json_each(a.parts)) = (SELECT group_concat(key) FROM json_each(b.parts)) AND NOT EXISTS (
      SELECT 1 FROM (SELECT tensor_ref(q.a, x.value) AS u, tensor_ref(q.b, y.value) AS v
                     FROM parameters AS q, json_each(a.parts) AS x JOIN json_each(b.parts) AS y ON y.key = x.key)
      WHERE NOT CASE WHEN tensor_dtype(u) = tensor_dtype(v) AND tensor_shape(u) = tensor_shape(v) THEN tensor_equal(u, v) ELSE 0 END);

-- == The pass over both.
CREATE TEMP TABLE compared AS
  SELECT ifnull(a.name, b.name) AS name, b.name AS name_b,
         CASE WHEN p.way IN ('only_a', 'only_b') THEN p.way WHEN p.way = 'plain' THEN d.status WHEN p.way = 'overlap' THEN 'resized'
              WHEN p.way IN ('flat', 'none') OR a.shape <> b.shape THEN 'reshaped' WHEN a.dtype <> b.dtype THEN 'retyped'
              WHEN p.way = 'codes' THEN iif(s.id IS NULL, 'changed', 'same')
              WHEN s.id IS NOT NULL OR a.scheme = 'none' AND c.equal THEN 'same' ELSE 'changed' END AS status,
         CASE WHEN p.way = 'codes' AND s.id IS NULL THEN iif(a.ref IS NULL, 'a: ' || a.why, 'b: ' || b.why)
              WHEN p.way = 'none' THEN 'the dimensions do not fit'
              WHEN ifnull(d.n_diff, c.n_diff) > 0 AND ifnull(d.max_abs_diff, c.max_abs_diff) IS NULL THEN 'no number stands in the place of another'
              END AS not_compared,
         substr(ifnull(a.pattern, b.pattern), 1, instr(ifnull(a.pattern, b.pattern), '#') - 1) AS stack, ifnull(a.layer, b.layer) AS layer,
         ifnull(a.pattern, b.pattern) AS pattern, a.dtype AS dtype_a, b.dtype AS dtype_b, a.shape AS shape_a, b.shape AS shape_b,
         ifnull(a.numel, b.numel) AS numel, iif(s.id, 0, ifnull(d.n_diff, c.n_diff)) AS n_diff,
         iif(s.id, 0, ifnull(d.max_abs_diff, c.max_abs_diff)) AS max_abs_diff, iif(s.id, 0, ifnull(d.rel_l2, c.rel_l2)) AS rel_l2,
         ifnull(d.cosine, c.cosine) AS cosine, ifnull(d.l2_a, c.l2_a) AS l2_a, ifnull(d.l2_b, c.l2_b) AS l2_b,
         iif(s.id, 0, ifnull(d.l2_diff, c.l2_diff)) AS l2_diff, ifnull(d.n_nan, c.n_nan) AS nan_both, 0 AS new_nan, 0 AS new_inf,
         ifnull(d.n_nan_one, c.n_nan_one) AS gone_nan, NULL AS rounded, a.ref AS ref_a, b.ref AS ref_b
  FROM compare_pairs AS p LEFT JOIN compare_weights AS a ON a.id = p.id_a LEFT JOIN compare_weights AS b ON b.id = p.id_b
  LEFT JOIN compare_alike AS s ON s.id = p.id_a
  LEFT JOIN safetensors_diff(iif(p.way = 'plain', (SELECT a FROM parameters), NULL), (SELECT b FROM parameters)) AS d ON d.name = a.name
  LEFT JOIN tensor_compare(
    CASE WHEN s.id IS NOT NULL THEN NULL WHEN p.way IN ('whole', 'flat') THEN a.ref WHEN p.way = 'overlap' THEN tensor_slice(a.ref, p.slice) END,
    CASE p.way WHEN 'whole' THEN b.ref WHEN 'flat' THEN tensor_reshape(b.ref, a.shape) WHEN 'overlap' THEN tensor_slice(b.ref, p.slice) END) AS c
  ORDER BY p.rowid; -- so that the rows have the same numbers

-- What may be not finite in b alone: what a has not; a NaN paired with a number; an infinite difference.
CREATE TEMP TABLE compare_not_finite AS
  SELECT c.rowid AS row, f.way, c.ref_a, c.ref_b, c.dtype_b, f.nan_both, s.n_nan AS nan_b, s.n_inf AS inf_b FROM (SELECT c.rowid AS row, p.way,
               CASE WHEN p.way IN ('only_b', 'none') OR c.gone_nan > 0 OR c.max_abs_diff = 9e999 THEN c.ref_b
                    WHEN p.way = 'overlap' AND p.b_longer
                    THEN iif(p.rows_alone, tensor_slice(c.ref_b, json_extract(c.shape_a, '$[0]') || ':'), c.ref_b) END AS part,
               CASE WHEN p.way = 'overlap' AND p.rows_alone AND ifnull(c.gone_nan, 0) = 0
                         AND ifnull(c.max_abs_diff, 0) < 9e999 THEN 0 ELSE ifnull(c.nan_both, 0) END AS nan_both
        FROM compared AS c JOIN compare_pairs AS p ON p.rowid = c.rowid
        WHERE c.ref_b IS NOT NULL AND (c.dtype_b LIKE '%F%' OR c.dtype_b = 'C64' OR c.ref_b LIKE '{%')) AS f
  JOIN compared AS c ON c.rowid = f.row JOIN tensor_stats(f.part) AS s ON s.n_nan + s.n_inf > 0;
UPDATE compared SET (new_nan, new_inf) = (
  SELECT CASE f.way WHEN 'none' THEN max(0, nan_b - ifnull(a.n_nan, 0)) ELSE nan_b - f.nan_both END,
         CASE WHEN inf_b = 0 OR ifnull(a.n_inf, 0) = 0 THEN inf_b
              WHEN f.way IN ('none', 'overlap', 'flat') OR f.dtype_b = 'C64' THEN max(0, inf_b - a.n_inf) ELSE (SELECT count(*) FROM (
                      SELECT idx, value FROM tensor_elements(f.ref_b) WHERE abs(value) = 9e999
                      EXCEPT SELECT idx, value FROM tensor_elements(f.ref_a) WHERE abs(value) = 9e999)) END
  FROM compare_not_finite AS f LEFT JOIN tensor_stats(f.ref_a) AS a WHERE f.row = compared.rowid)
WHERE rowid IN (SELECT row FROM compare_not_finite);
UPDATE compared SET gone_nan = iif(status = 'resized', NULL, max(0, gone_nan - new_nan)) WHERE gone_nan > 0;

-- Another dtype and other values: is one the other, rounded (or cut, as some tools make BF16), or are BF16 and F16 of the same? Up to 64 rows show it.
UPDATE compared SET rounded = CASE WHEN n_diff = 0 THEN 1
  WHEN (dtype_a IN ('F64', 'F32', 'F16', 'BF16') OR dtype_a GLOB 'F8_*' OR ref_a LIKE '{%')
       AND (dtype_b IN ('F64', 'F32', 'F16', 'BF16') OR dtype_b GLOB 'F8_*' OR ref_b LIKE '{%') THEN (
    SELECT iif(ref_b LIKE '{%', 0, tensor_equal(tensor_convert(a, dtype_b), b))
           OR iif(ref_a LIKE '{%', 0, tensor_equal(tensor_convert(b, dtype_a), a))
           OR (dtype_a, dtype_b) IN (VALUES ('BF16', 'F16'), ('F16', 'BF16')) AND tensor_allclose(a, b, 0.0044, 6e-8)
           OR dtype_b = 'BF16' AND tensor_equal(tensor_maximum(tensor_abs(a), tensor_abs(b)), tensor_abs(a)) AND tensor_allclose(a, b, 0.0078125, 1e-40)
           OR dtype_a = 'BF16' AND tensor_equal(tensor_maximum(tensor_abs(b), tensor_abs(a)), tensor_abs(b)) AND tensor_allclose(b, a, 0.0078125, 1e-40)
    FROM (SELECT iif(shape_a = '[]', ref_a, tensor_slice(ref_a, step)) AS a, iif(shape_b = '[]', ref_b, tensor_slice(ref_b, step)) AS b
          FROM (SELECT '::' || max(1, json_extract(shape_a, '$[0]') / 64) AS step))) ELSE 0 END
WHERE status = 'retyped' AND not_compared IS NULL;
-- For the verdict: alone, unknown, same (in value), changed; packed: as far apart as packing takes the others, too.
CREATE TEMP TABLE compare_kinds(row INTEGER PRIMARY KEY, kind TEXT, shaped INTEGER, size INTEGER, part REAL DEFAULT 1);
INSERT INTO compare_kinds(row, kind, shaped, size)
  SELECT c.rowid,
         CASE WHEN status IN ('only_a', 'only_b') THEN 'alone' WHEN not_compared IS NOT NULL THEN 'unknown'
              WHEN status = 'same' OR n_diff = 0 OR rounded THEN 'same'
              WHEN dtype_a <> dtype_b AND (ref_a LIKE '{%' OR ref_b LIKE '{%') AND cosine > 0.8
                   AND rel_l2 <= 2 * min(rel_l2) OVER (PARTITION BY dtype_a, dtype_b, rel_l2 > 0) THEN 'packed' ELSE 'changed' END,
         p.way IN ('plain', 'whole', 'flat', 'codes') OR p.way = 'overlap' AND p.n_differ = 1, max(ifnull(numel, 1), 1)
  FROM compared AS c JOIN compare_pairs AS p ON p.rowid = c.rowid;
-- The norms of what is the same and was not read for them, where others of the layer changed.
UPDATE compared SET l2_a = (SELECT s.l2 FROM tensor_stats(ref_a) AS s)
WHERE l2_a IS NULL AND status = 'same' AND ref_a IS NOT NULL AND numel > 0 AND (stack, ifnull(layer, -1)) IN (
  SELECT stack, ifnull(layer, -1) FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid WHERE k.kind = 'changed');

-- == Low rank: rows of the difference, and their products with each other, taken apart as Cholesky does with the largest
-- remainder first. The sum of the remainders is what so many directions leave.
CREATE TEMP TABLE compare_samples AS
  SELECT row, name, ref_a, ref_b, shape_a, rows, cols, min(rows, 192) AS n,
         CASE dtype_b WHEN 'BF16' THEN 2.2e-6 WHEN 'F16' THEN 3.4e-8 WHEN 'F8_E4M3' THEN 5.6e-4 WHEN 'F8_E5M2' THEN 2.2e-3 ELSE 0 END
         * l2_a * l2_a * min(rows, 192) / rows AS noise
  FROM (SELECT c.rowid AS row, c.*, json_extract(shape_a, '$[0]') AS rows, numel / json_extract(shape_a, '$[0]') AS cols,
               row_number() OVER (PARTITION BY stack, pattern ORDER BY rel_l2 DESC) AS place
        FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid
        WHERE k.kind = 'changed' AND status IN ('changed', 'retyped') AND cosine > 0.3 AND new_nan + new_inf + gone_nan + nan_both = 0
          AND json_array_length(shape_a) > 1 AND ref_a NOT LIKE '{%' AND ref_b NOT LIKE '{%' AND dtype_a <> 'C64' AND dtype_b <> 'C64')
  WHERE place = 1 AND rows >= 16 AND cols >= 16 ORDER BY l2_diff DESC LIMIT 2;
CREATE TEMP TABLE compare_products(t INTEGER, i INTEGER, j INTEGER, v REAL, PRIMARY KEY(t, i, j)) WITHOUT ROWID;
INSERT INTO compare_products
  WITH differences AS MATERIALIZED (
    SELECT row, n, tensor_convert(tensor_sub(tensor_take(tensor_reshape(ref_b, flat), indices, 0),
                                             tensor_take(tensor_reshape(ref_a, flat), indices, 0)), 'F64') AS d
    FROM (SELECT *, json_array(rows, cols) AS flat, (
            WITH RECURSIVE i(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM i WHERE i + 1 < n) SELECT json_group_array(i * rows / n) FROM i) AS indices
          FROM compare_samples))
  SELECT row, e.idx / n, e.idx % n, e.value FROM differences, tensor_elements(tensor_matmul(d, tensor_transpose(d))) AS e;
CREATE TEMP TABLE compare_remainders AS SELECT t, i, v AS d, 0 AS used FROM compare_products WHERE i = j;
CREATE INDEX temp.compare_remainders_by_row ON compare_remainders(t, i);
CREATE TEMP TABLE compare_factors(t INTEGER, i INTEGER, k INTEGER, v REAL, PRIMARY KEY(t, i, k)) WITHOUT ROWID;
CREATE TEMP TABLE compare_left(t INTEGER, k INTEGER, pivot INTEGER, d REAL, rest REAL, PRIMARY KEY(t, k)) WITHOUT ROWID;
INSERT INTO compare_left SELECT t, 0, NULL, NULL, sum(d) FROM compare_remainders GROUP BY t HAVING sum(d) > 0;
CREATE TEMP TABLE compare_steps(k INTEGER);
CREATE TEMP TRIGGER compare_step AFTER INSERT ON compare_steps BEGIN
  INSERT INTO compare_left SELECT t, new.k, i, max(d), NULL FROM compare_remainders WHERE used = 0 GROUP BY t HAVING max(d) > 0
    AND (SELECT l.rest FROM compare_left AS l WHERE l.t = compare_remainders.t AND l.k = new.k - 1)
        > (SELECT 1e-3 * l.rest FROM compare_left AS l WHERE l.t = compare_remainders.t AND l.k = 0)
    AND (new.k <> 25 OR NOT EXISTS (SELECT 1 -- a rank of 72 leaves two thirds after 24 directions, noise aside
      FROM compare_left AS l JOIN compare_left AS o ON o.t = l.t AND o.k = 0 JOIN compare_samples AS s ON s.row = l.t WHERE l.t = compare_remainders.t AND l.k = 24 AND s.n > 96 AND l.rest - s.noise * (1 - 24.0 / s.n) > 0.75 * (o.rest - s.noise)));
  INSERT INTO compare_factors
    SELECT r.t, r.i, new.k, (g.v - ifnull((
             SELECT sum(x.v * y.v) FROM compare_factors AS x JOIN compare_factors AS y ON y.t = x.t AND y.i = l.pivot AND y.k = x.k
             WHERE x.t = r.t AND x.i = r.i), 0)) / sqrt(l.d)
    FROM compare_left AS l JOIN compare_remainders AS r ON r.t = l.t AND r.used = 0
    JOIN compare_products AS g ON g.t = l.t AND g.i = l.pivot AND g.j = r.i WHERE l.k = new.k;
  UPDATE compare_remainders SET d = max(0, compare_remainders.d - f.v * f.v), used = used OR compare_remainders.i = l.pivot
    FROM compare_factors AS f JOIN compare_left AS l ON l.t = f.t AND l.k = f.k
    WHERE f.k = new.k AND f.t = compare_remainders.t AND f.i = compare_remainders.i;
  UPDATE compare_left SET rest = (SELECT sum(d) FROM compare_remainders AS r WHERE r.t = compare_left.t AND used = 0) WHERE k = new.k;
END;
INSERT INTO compare_steps WITH RECURSIVE k(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 72) SELECT k FROM k;
-- Of no use is what rounding may have made, or what has few rows that changed: the rank of those is low in any case.
-- `signal` is what is left but for rounding. Where a rank ends it drops, and where values only become smaller it does not:
-- then low means that half as many directions left eight times as much.
CREATE TEMP TABLE compared_ranks AS
  WITH curves AS MATERIALIZED (
    SELECT s.row, s.n, l.k, l.rest - s.noise * (1 - 1.0 * l.k / s.n) AS signal, first.rest AS whole, s.noise,
           0.375 * min(s.cols, (SELECT count(*) FROM compare_products AS g WHERE g.t = s.row AND g.i = g.j AND g.v > 0)) AS bound
    FROM compare_samples AS s JOIN compare_left AS l ON l.t = s.row JOIN compare_left AS first ON first.t = s.row AND first.k = 0)
  SELECT s.name, s.n AS rows,
         (SELECT min(k) FROM curves AS c WHERE c.row = s.row AND signal <= 0.05 * (whole - noise)) AS directions,
         EXISTS (SELECT 1 FROM curves AS c JOIN curves AS h ON h.row = c.row AND h.k = c.k / 2
                 WHERE c.row = s.row AND c.k BETWEEN 1 AND c.bound AND c.signal <= 0.05 * (c.whole - c.noise) AND c.signal <= h.signal / 8) AS low
  FROM compare_samples AS s WHERE EXISTS (SELECT 1 FROM curves AS c WHERE c.row = s.row AND bound >= 6 AND whole > 10 * noise);

-- == Rows of embeddings: those that only one has, and those that changed, if not nearly all did.
CREATE TEMP TABLE compared_rows(name TEXT, first INTEGER, last INTEGER, status TEXT);
INSERT INTO compared_rows
  SELECT name, min(a, b), max(a, b) - 1, iif(b > a, 'new', 'gone')
  FROM (SELECT c.name, json_extract(shape_a, '$[0]') AS a, json_extract(shape_b, '$[0]') AS b
        FROM compared AS c JOIN compare_pairs AS p ON p.rowid = c.rowid WHERE c.status = 'resized' AND p.rows_alone);
INSERT INTO compared_rows
  WITH embeddings AS MATERIALIZED (
    SELECT c.name, iif(p.way = 'overlap', tensor_slice(c.ref_a, p.slice), c.ref_a) AS a,
           iif(p.way = 'overlap', tensor_slice(c.ref_b, p.slice), c.ref_b) AS b
    FROM compared AS c JOIN compare_pairs AS p ON p.rowid = c.rowid
    WHERE p.way IN ('plain', 'whole', 'overlap') AND json_array_length(shape_a) = 2 AND n_diff BETWEEN 1 AND 0.9 * numel
      AND dtype_a <> 'C64' AND dtype_b <> 'C64' AND ref_a NOT LIKE '{%' AND ref_b NOT LIKE '{%' AND (p.rows_alone
        OR name LIKE '%embed%' OR name LIKE '%wte%' OR name LIKE '%wpe%' OR name LIKE '%lm\_head%' ESCAPE '\'
        OR name LIKE '%shared.weight' OR name LIKE '%output.weight')
  ), moved AS MATERIALIZED (
    SELECT name, idx, idx - row_number() OVER (PARTITION BY name ORDER BY idx) AS run
    FROM embeddings, tensor_elements(tensor_norm(tensor_sub(b, a), 1)) AS e WHERE e.value IS NULL OR e.value <> 0
  )
  SELECT name, min(idx), max(idx), 'changed' FROM moved GROUP BY name, run ORDER BY name, min(idx);

-- What part of it changed, of an embedding of which some rows did.
UPDATE compare_kinds SET part = (
  SELECT total(r.last - r.first + 1) / json_extract(c.shape_a, '$[0]') FROM compared AS c JOIN compared_rows AS r ON r.name = c.name AND r.status = 'changed'
  WHERE c.rowid = row)
WHERE kind = 'changed' AND row IN (SELECT c.rowid FROM compared AS c WHERE name IN (SELECT name FROM compared_rows WHERE status = 'changed'));

-- == Layers.
CREATE TEMP TABLE compared_layers AS
  SELECT stack, layer, count(*) AS tensors, total(kind = 'same') AS same, total(kind IN ('changed', 'packed')) AS changed, sum(numel) AS numel,
         sum(n_diff) AS n_diff,
         CASE WHEN total(l2_diff * l2_diff) = 0 THEN iif(count(l2_diff), 0.0, NULL)
              WHEN total(l2_a * l2_a) > 0 THEN sqrt(total(l2_diff * l2_diff) / total(l2_a * l2_a) FILTER (WHERE l2_diff IS NOT NULL)) END AS rel_l2,
         iif(max(l2_diff) = 9e999, NULL, total(l2_diff * l2_diff) / nullif(sum(total(l2_diff * l2_diff) FILTER (WHERE l2_diff < 9e999)) OVER (), 0)) AS share,
         total(not_compared IS NOT NULL) AS not_compared, total(new_nan) AS new_nan, total(new_inf) AS new_inf
  FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid GROUP BY stack, layer;

-- == Groups that nothing changed: ranges of adjacent layers; then, where some layers changed, the patterns of which
-- nothing did in any of them.
CREATE TEMP TABLE untouched AS
  WITH tensors AS MATERIALIZED (
    SELECT c.*, (status = 'same' OR n_diff = 0 AND not_compared IS NULL) AND status NOT IN ('resized', 'reshaped') AS still
    FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid WHERE status <> 'only_b'
  ), layers AS MATERIALIZED (
    SELECT stack, layer, count(*) AS tensors, sum(numel) AS numel, layer - row_number() OVER (PARTITION BY stack ORDER BY layer) AS run
    FROM tensors WHERE layer IS NOT NULL GROUP BY stack, layer HAVING min(still)
  )
  SELECT untouched, tensors, numel FROM (
    SELECT stack || min(layer) || iif(max(layer) > min(layer), '-' || max(layer), '') AS untouched,
           sum(tensors) AS tensors, sum(numel) AS numel, 0 AS kind, stack, min(layer) AS first FROM layers GROUP BY stack, run
    UNION ALL
    SELECT pattern, count(*), sum(numel), 1, pattern, 0 FROM tensors
    GROUP BY pattern HAVING min(still) AND max((stack, layer) NOT IN (SELECT stack, layer FROM layers) OR layer IS NULL)
  ) ORDER BY kind, stack, first;

-- == A third model.
CREATE TEMP TABLE compared_c AS
  SELECT name, status_b, status_c, iif(both, tensor_cosine(tensor_sub(ref_b, ref_a), tensor_sub(ref_c, ref_a)), NULL) AS cosine
  FROM (SELECT c.name, b.status AS status_b, c.status AS status_c, b.ref_a, b.ref_b, c.ref_b AS ref_c,
               b.n_diff > 0 AND c.n_diff > 0 AND b.status IN ('changed', 'retyped') AND b.not_compared IS NULL
               AND c.dtype_b <> 'C64' AND b.dtype_b <> 'C64' AS both
        FROM safetensors_diff((SELECT a FROM parameters), (SELECT c FROM parameters)) AS c LEFT JOIN compared AS b ON b.name = c.name AND b.status <> 'only_b'
          OR b.name_b = c.name AND b.status = 'only_b' AND c.status = 'only_b');

-- == What b is an adapter for, if it is no model like a.
CREATE TEMP TABLE compare_adapted AS
  SELECT l.kind, l.rank, l.status, w.pattern
  FROM safetensors_adapter(iif((SELECT total(size) FILTER (WHERE shaped) = 0 FROM compare_kinds), (SELECT b FROM parameters), NULL), (SELECT a FROM parameters)) AS l
  JOIN compare_weights AS w ON w.side = 'a' AND w.name = l.weight;

-- == The verdict.
CREATE TEMP TABLE compare_counts AS
  SELECT count(*) AS tensors, total(status <> 'only_b') AS in_a, total(status <> 'only_a') AS in_b,
         total(kind <> 'alone') AS paired, total(kind = 'same') AS same, total(kind = 'changed') AS changed,
         total(kind = 'packed') AS packed, total(kind = 'unknown') AS unknown, total(status = 'only_a') AS only_a,
         total(status = 'only_b') AS only_b, total(status = 'resized') AS resized, total(status = 'reshaped') AS reshaped,
         total(status = 'retyped' AND kind = 'same') AS retyped, total(status = 'same' AND p.way IN ('plain', 'codes')) AS bytes,
         total(name <> name_b AND kind <> 'alone') AS moved, total(new_nan > 0) AS nan, total(new_inf > 0) AS inf,
         total(new_nan + new_inf > 0) AS bad, total(nan_both > 0) AS nan_both, total(gone_nan > 0) AS nan_gone,
         total(new_nan) AS new_nan, total(new_inf) AS new_inf, total(not_compared IS NULL AND kind <> 'alone') AS numbers,
         total(size * part * (kind = 'changed')) >= 0.9 * total(size * (kind <> 'alone')) AS most_changed,
         total(size * part * (kind = 'changed')) > 0.5 * total(size * (kind <> 'alone')) AS half_changed,
         total(size * shaped) < 0.5 * min(total(size * (status <> 'only_b')), total(size * (status <> 'only_a'))) AS foreign_to_a,
         total(shaped) AS shaped, sqrt(total(l2_diff * l2_diff) FILTER (WHERE kind IN ('changed', 'packed') AND dtype_a NOT IN ('I64', 'U64'))
              / nullif(total(l2_a * l2_a) FILTER (WHERE kind IN ('changed', 'packed') AND dtype_a NOT IN ('I64', 'U64') AND l2_diff IS NOT NULL), 0)) AS rel_l2,
         total(cosine * l2_a * l2_b) FILTER (WHERE kind = 'changed' AND json_array_length(shape_a) > 1)
         / nullif(sqrt(total(l2_a * l2_a) FILTER (WHERE kind = 'changed' AND cosine IS NOT NULL AND json_array_length(shape_a) > 1)
                       * total(l2_b * l2_b) FILTER (WHERE kind = 'changed' AND cosine IS NOT NULL AND json_array_length(shape_a) > 1)), 0) AS cosine,
         (SELECT min(low) FROM compared_ranks) AS low, (SELECT max(directions) FROM compared_ranks) AS directions,
         (SELECT min(some) FROM (SELECT max(kind = 'changed') AS some FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid
          WHERE layer IS NOT NULL AND status <> 'only_b' GROUP BY stack, layer)) AS every_layer,
         (SELECT count(*) FROM compare_pairs WHERE way = 'overlap' AND NOT rows_alone) AS reformed,
         (SELECT count(*) FROM compare_adapted) AS adapted, (SELECT min(kind = 'adapter') FROM compare_models WHERE side <> 'c') AS adapters
  FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid JOIN compare_pairs AS p ON p.rowid = c.rowid;
-- "layers 5-9" of each numbering.
CREATE TEMP TABLE compare_spans AS
  WITH runs AS (
    SELECT stack, min(layer) AS first, min(layer) || iif(max(layer) > min(layer), '-' || max(layer), '') AS span, count(*) AS layers
    FROM (SELECT stack, layer, layer - row_number() OVER (PARTITION BY stack ORDER BY layer) AS run
          FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid WHERE layer IS NOT NULL AND kind = 'changed' GROUP BY stack, layer)
    GROUP BY stack, run ORDER BY stack, first
  )
  SELECT r.stack, sum(r.layers) AS layers, n.layers AS of, group_concat(r.span, ', ') AS spans, count(*) AS runs
  FROM runs AS r JOIN (SELECT stack, count(*) AS layers FROM compared_layers WHERE layer IS NOT NULL GROUP BY stack) AS n USING (stack)
  GROUP BY r.stack;
CREATE TEMP TABLE compare_words AS
  WITH stacks AS (SELECT count(*) AS stacks, total(layers) AS layers, total(of) AS of FROM compare_spans),
  numberings AS (SELECT count(DISTINCT stack) AS n FROM compared_layers WHERE layer IS NOT NULL),
  loose AS (SELECT count(*) AS n, max(name) AS one, part, c.shape_a FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid
            WHERE kind = 'changed' AND layer IS NULL),
  tails AS (SELECT total(moved) AS n, count(*) AS of, group_concat(safetensors_label(tail), ', ') FILTER (WHERE moved) AS names
            FROM (SELECT substr(pattern, length(stack) + 3) AS tail, max(kind = 'changed') AS moved
                  FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid WHERE layer IS NOT NULL GROUP BY 1 ORDER BY 1))
  SELECT CASE WHEN stacks = 0 THEN NULL WHEN stacks > 3 THEN printf('%,d of %,d layers in %d numberings changed', stacks.layers, stacks.of, stacks.stacks)
              ELSE (SELECT group_concat(iif(numberings.n = 1, '', safetensors_label(rtrim(stack, '.')) || ' ')
                             || CASE WHEN s.layers = s.of THEN printf(iif(s.of = 1, 'the only layer', 'all %,d layers'), s.of)
                                     WHEN runs > 6 THEN printf('%,d of %,d layers', s.layers, s.of)
                                     WHEN s.layers = 1 THEN 'layer ' || spans ELSE 'layers ' || spans END, ', ')
                    FROM compare_spans AS s) || ' changed' || iif(tails.n <= 3 AND tails.n < tails.of, ' in ' || tails.names, '') END AS layers,
         CASE WHEN loose.n = 1 THEN iif(part < 0.5, printf('%,d row%s of ', round(part * json_extract(shape_a, '$[0]')),
                                             iif(part * json_extract(shape_a, '$[0]') < 1.5, '', 's')), '') || safetensors_label(one) || ' changed'
              WHEN loose.n > 1 THEN printf('%,d tensors outside layers changed', loose.n) END AS loose
  FROM stacks, numberings, loose, tails;
CREATE TEMP TABLE comparison AS
  WITH judged AS MATERIALIZED (
    SELECT *, CASE WHEN adapted > 0 AND shaped = 0 THEN 'adapter' WHEN foreign_to_a THEN 'other'
      WHEN changed = 0 AND (retyped > 0 OR packed > 0) THEN 'retyped'
      WHEN changed + only_a + only_b + resized + reshaped + unknown = 0 THEN 'identical' WHEN changed = 0 THEN 'part'
      WHEN cosine < 0.3 AND half_changed THEN iif(only_a + only_b + reshaped + reformed = 0, 'retrained', 'other')
      WHEN low AND NOT adapters THEN 'low-rank'
      WHEN most_changed AND every_layer THEN 'continued' ELSE 'layers' END AS kind, only_a + only_b + reshaped = 0 AS alike FROM compare_counts
  ), said AS MATERIALIZED (
    SELECT j.*, layers, loose, CASE kind
      WHEN 'adapter' THEN (SELECT printf('b is an adapter for a: %s for %,d weight%s', group_concat(what, ', '), total(n), iif(total(n) = 1, '', 's'))
                           FROM (SELECT ifnull(kind, 'parts') || ifnull(' of rank ' || rank, '') AS what, count(*) AS n
                                 FROM compare_adapted GROUP BY 1 ORDER BY 2 DESC))
      WHEN 'other' THEN printf('Another model: %,d of %,d tensors of a %s a tensor of that name and shape in b', shaped, in_a, iif(in_a = 1, 'has', 'have'))
                            || iif(shaped > 0 AND cosine < 0.3, ', with unrelated weights', '') WHEN 'retyped' THEN (
        SELECT printf('The same weights in another form: %s', group_concat(printf('%,d %s → %s', n, dtype_a, dtype_b)
                      || CASE WHEN high > 1.5 * low THEN printf(' (rel_l2 %.3g to %.3g)', low, high) WHEN high > 0 THEN printf(' (rel_l2 %.3g)', high) ELSE '' END, ', ')
                      || CASE j.same - j.retyped WHEN 0 THEN '' WHEN 1 THEN ', the other is the same' ELSE printf(', the other %,d are the same', j.same - j.retyped) END)
        FROM (SELECT count(*) AS n, dtype_a, dtype_b, min(rel_l2) AS low, max(rel_l2) AS high
              FROM compared AS c JOIN compare_kinds AS k ON k.row = c.rowid
              WHERE status = 'retyped' AND kind IN ('same', 'packed') GROUP BY dtype_a, dtype_b ORDER BY n DESC LIMIT 3))
      WHEN 'identical' THEN printf('Identical: %s the same%s', iif(tensors = 1, 'the only tensor is', printf('all %,d tensors are', tensors)),
                                   iif(bytes = tensors, ', byte for byte', ' in value')) WHEN 'part' THEN CASE
        WHEN same = 0 THEN 'Nothing could be compared' WHEN only_a > 0 AND only_b + resized + reshaped + unknown = 0
        THEN printf('b is a part of a: %s', iif(same = 1, 'its only tensor is the same', printf('its %,d tensors are the same', same)))
        WHEN only_b > 0 AND only_a + resized + reshaped + unknown = 0
        THEN printf('a is a part of b: %s', iif(same = 1, 'its only tensor is the same', printf('its %,d tensors are the same', same)))
        ELSE printf('The same values in what can be compared: %,d tensor%s', same, iif(same = 1, '', 's')) END
      WHEN 'retrained' THEN printf(iif(adapters, 'Another adapter', 'Retrained') || ': unrelated weights in the same architecture (cosine %.2f)', iif(abs(cosine) < 0.005, 0, cosine))
      WHEN 'low-rank' THEN 'Adapter-like fine-tune' || iif(alike, ' of the same architecture', '')
                           || printf(', low-rank (%,d direction%s in sampled rows)', directions, iif(directions = 1, '', 's'))
      WHEN 'continued' THEN iif(adapters, 'Another version of the adapter', 'Full fine-tune or continued pretraining') || iif(alike AND NOT adapters, ' of the same architecture', '')
      ELSE iif(adapters, 'Another version of the adapter', 'Fine-tune') || iif(alike AND NOT adapters, ' of the same architecture', '') END AS head
    FROM judged AS j, compare_words
  )
  SELECT kind, head || ifnull((
           SELECT iif(kind IN ('low-rank', 'continued', 'layers'), ': ', ', ') || group_concat(value, ', ') FROM json_each(json_array(
             iif(kind IN ('low-rank', 'continued', 'layers'), layers, NULL), iif(kind IN ('low-rank', 'continued', 'layers'), loose, NULL),
             iif(rel_l2 > 0 AND rel_l2 < 9e999 AND kind IN ('low-rank', 'continued', 'layers') AND bad = 0, printf('by %.3g of their norm', rel_l2), NULL),
             iif(kind IN ('other', 'adapter'), NULL, (SELECT group_concat(what, ', ') FROM (
               SELECT CASE WHEN max(name LIKE '%embed%' OR name LIKE '%wte%') THEN 'embedding' WHEN count(*) = 1 THEN safetensors_label(max(name))
                           ELSE printf('%,d tensors', count(*)) END || ' resized ' || old || ' → ' || new AS what
               FROM (SELECT c.name, iif(p.rows_alone, json_extract(shape_a, '$[0]'), shape_a) AS old,
                            iif(p.rows_alone, json_extract(shape_b, '$[0]'), shape_b) AS new
                     FROM compared AS c JOIN compare_pairs AS p ON p.rowid = c.rowid WHERE status = 'resized')
               GROUP BY old, new ORDER BY count(*) DESC LIMIT 2))), iif(reshaped > 0 AND kind <> 'other', printf('%,d reshaped', reshaped), NULL),
             iif(retyped > 0 AND kind <> 'retyped', printf('%,d retyped', retyped), NULL),
             iif(packed > 0 AND kind <> 'retyped', printf('%,d packed in one of both', packed), NULL),
             iif(moved > 0, printf('%,d renamed', moved), NULL),
             iif(only_a > 0 AND kind NOT IN ('other', 'adapter'), printf('%,d only in a', only_a), NULL),
             iif(only_b > 0 AND kind NOT IN ('other', 'adapter'), printf('%,d only in b', only_b), NULL),
             iif(unknown > 0 AND kind NOT IN ('other', 'adapter'), printf('%,d could not be compared', unknown), NULL),
             iif(nan > 0, printf('%,d tensor%s NaN in b', nan, iif(nan = 1, ' has', 's have')), NULL),
             iif(inf > 0, printf('%,d tensor%s Inf in b', inf, iif(inf = 1, ' has', 's have')), NULL),
             iif(nan_both > 0, printf('%,d tensor%s NaN in both', nan_both, iif(nan_both = 1, ' has', 's have')), NULL),
             iif(nan_gone > 0, printf('%,d tensor%s NaN in a alone', nan_gone, iif(nan_gone = 1, ' has', 's have')), NULL)))
           WHERE value IS NOT NULL), '') || '.' AS verdict,
         CAST(in_a AS INTEGER) AS tensors_a, CAST(in_b AS INTEGER) AS tensors_b, CAST(paired AS INTEGER) AS paired,
         CAST(same AS INTEGER) AS same, CAST(numbers AS INTEGER) AS compared, rel_l2, CAST(new_nan AS INTEGER) AS new_nan,
         CAST(new_inf AS INTEGER) AS new_inf FROM said;

CREATE TEMP TABLE compared_findings AS
  SELECT 'verdict' AS rule, iif(v.new_nan + v.new_inf > 0, 'error', 'ok') AS level, b AS file, NULL AS tensor, verdict AS message
  FROM comparison AS v, parameters;
INSERT INTO compared_findings
  SELECT rule, level, iif(rule = 'gone', a, b), name, message FROM (
    SELECT 1 AS place, 'nan' AS rule, 'error' AS level, c.rowid AS row, name, printf('%,d NaN where a has numbers', new_nan) AS message
    FROM compared AS c WHERE new_nan > 0
    UNION ALL SELECT 2, 'infinity', 'error', c.rowid, name, printf('%,d %s where a has numbers', new_inf, iif(new_inf = 1, 'infinity', 'infinities')) FROM compared AS c WHERE new_inf > 0
    UNION ALL SELECT 3, 'nan-in-both', 'warning', c.rowid, name, printf('%,d NaN in both', nan_both) FROM compared AS c WHERE nan_both > 0
    UNION ALL SELECT 4, 'nan-in-a', 'ok', c.rowid, name, printf('%,d NaN in a alone', gone_nan) FROM compared AS c WHERE gone_nan > 0
    UNION ALL SELECT 5, 'shape', 'warning', c.rowid, name, status || ': ' || shape_a || ' > ' || shape_b FROM compared AS c
    WHERE status IN ('resized', 'reshaped')
    UNION ALL SELECT 6, 'gone', 'warning', c.rowid, name, 'only in a' FROM compared AS c, comparison AS v
    WHERE status = 'only_a' AND v.kind NOT IN ('other', 'adapter')
    UNION ALL SELECT 7, 'new', 'warning', c.rowid, name, 'only in b' FROM compared AS c, comparison AS v
    WHERE status = 'only_b' AND v.kind NOT IN ('other', 'adapter')
    UNION ALL SELECT 8, 'not-compared', 'skipped', c.rowid, name, not_compared FROM compared AS c WHERE not_compared IS NOT NULL
  ), parameters ORDER BY place, row;

-- == For people: each section is one query, whose first row has its title, and whose last how many are missing.
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'compared', 'comparison', 'compared_findings', 'compared_layers', 'compared_rows', 'compared_ranks', 'untouched',
                         'compared_c') FROM parameters WHERE format IN ('json', 'csv');
SELECT safetensors_print(format, 'compared_findings') FROM parameters WHERE format IN ('junit', 'sarif');
SELECT verdict || char(10) || printf('%,d of %,d tensor%s compared as numbers%s.', compared, max(tensors_a, tensors_b), iif(max(tensors_a, tensors_b) = 1, ' was', 's were'),
       iif(new_nan + new_inf = 0, '; no NaN and no infinity is new in b', printf('; %,d NaN and %,d infinite values are new in b', new_nan, new_inf)))
FROM as_text, comparison;

SELECT iif(n = 1, char(10) || '== Not finite
  new NaN    new Inf   in both  NaN in a     share  dtype    name
---------  ---------  --------  --------  --------  -------  ----
', '') || printf('%9s  %9s  %8s  %8s  %7.1f%%  %-7s  %s', iif(new_nan, printf('%,d', new_nan), ''), iif(new_inf, printf('%,d', new_inf), ''),
       iif(nan_both, printf('%,d', nan_both), ''), iif(gone_nan, printf('%,d', gone_nan), ''),
       100.0 * max(new_nan + new_inf, ifnull(nan_both, 0), ifnull(gone_nan, 0)) / max(1, tensor_numel(ifnull(ref_b, ref_a))), dtype_b, safetensors_label(name))
  || iif(n = 20 AND of > 20, printf(char(10) || 'and %,d more', of - 20), '')
FROM as_text, (SELECT *, count(*) OVER () AS of,
                      row_number() OVER (ORDER BY new_nan + new_inf > 0 DESC, new_nan + new_inf DESC, nan_both DESC, rowid) AS n
               FROM compared WHERE new_nan + new_inf > 0 OR nan_both > 0 OR gone_nan > 0) WHERE n <= 20 ORDER BY n;

-- By a prefix as one line, else one by one.
SELECT iif(n = 1, char(10) || '== Renamed' || char(10), '') || iif(prefix = '', '', printf('%,d tensor%s: ', tensors, iif(tensors = 1, '', 's')))
  || safetensors_label(old) || prefix || ' → ' || safetensors_label(new) || prefix || iif(n = 20 AND of > 20, printf(char(10) || 'and %,d more', of - 20), '')
FROM as_text, (SELECT *, row_number() OVER (ORDER BY prefix DESC, tensors DESC, row) AS n, count(*) OVER () AS of FROM (
  SELECT min(row) AS row, prefix, old, new, count(*) AS tensors FROM (
    SELECT c.rowid AS row, iif(p.id, '*', '') AS prefix, ifnull(p.prefix_a, c.name) AS old, ifnull(p.prefix_b, c.name_b) AS new
    FROM compared AS c LEFT JOIN compare_prefixes AS p
      ON p.id = (SELECT min(id) FROM compare_prefixes AS o WHERE substr(c.name, 1, length(o.prefix_a)) = o.prefix_a
                 AND c.name_b = o.prefix_b || substr(c.name, length(o.prefix_a) + 1))
    WHERE c.name <> c.name_b AND c.status <> 'only_b') GROUP BY prefix, old, new)) WHERE n <= 20 ORDER BY n;

SELECT iif(n = 1, char(10) || '== Other shapes, names and dtypes
status    what                            name
--------  ------------------------------  ----
', '') || printf('%-8s  %!-30s  %s', status, iif(length(what) > 30, substr(what, 1, 29) || '…', what), safetensors_label(name))
  || iif(k = most AND of > most, printf(char(10) || 'and %,d more %s', of - most, status), '')
FROM as_text, (
  SELECT *, row_number() OVER (ORDER BY place, row) AS n, row_number() OVER (PARTITION BY status ORDER BY row) AS k, count(*) OVER (PARTITION BY status) AS of
  FROM (SELECT c.rowid AS row, name, status, iif(v.kind = 'retyped' AND status = 'retyped', 3, 10) AS most,
               CASE status WHEN 'retyped' THEN dtype_a || ' > ' || dtype_b WHEN 'only_a' THEN dtype_a || ifnull(' ' || shape_a, '')
                           WHEN 'only_b' THEN dtype_b || ifnull(' ' || shape_b, '') ELSE shape_a || ' > ' || shape_b END AS what,
               CASE status WHEN 'reshaped' THEN 1 WHEN 'resized' THEN 2 WHEN 'only_a' THEN 3 WHEN 'only_b' THEN 4 ELSE 5 END AS place
        FROM compared AS c, comparison AS v WHERE status NOT IN ('same', 'changed') AND NOT (v.kind = 'adapter' AND status LIKE 'only%'))
) WHERE k <= most ORDER BY n;

SELECT iif(n = 1, char(10) || '== Not compared as numbers
tensors  reason                                                      first
-------  ----------------------------------------------------------  -----
', '') || printf('%7s  %!-58s  %s', printf('%,d', tensors), iif(length(reason) > 58, substr(reason, 1, 57) || '…', reason), safetensors_label(name))
  || iif(n = 20 AND of > 20, printf(char(10) || 'and %,d more reasons', of - 20), '')
FROM as_text, (SELECT safetensors_label(not_compared) AS reason, count(*) AS tensors, min(name) AS name, count(*) OVER () AS of,
                      row_number() OVER (ORDER BY count(*) DESC, min(rowid)) AS n
               FROM compared WHERE not_compared IS NOT NULL GROUP BY not_compared) WHERE n <= 20 ORDER BY n;

SELECT iif(n = 1, char(10) || '== Layers that changed
tensors  changed  differ     rel_l2   share  not compared  layer
-------  -------  ------  ---------  ------  ------------  -----
', '') || printf('%7s  %7s  %6s  %9s  %6s  %12s  %s', printf('%,d', tensors), printf('%,d', changed),
       iif(numel > 0 AND n_diff IS NOT NULL, printf('%.1f%%', 100.0 * n_diff / numel), '-'),
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN new_inf > 0 OR rel_l2 = 9e999 THEN 'Inf' WHEN rel_l2 IS NULL THEN '-' ELSE printf('%.3g', rel_l2) END,
       iif(share IS NULL OR changed = 0, '-', printf('%.1f%%', 100 * share)), iif(not_compared > 0, printf('%,d', not_compared), ''),
       iif(layer IS NULL, 'outside layers', safetensors_label(stack) || layer))
  || iif(n = 100 AND of > 100, printf(char(10) || 'and %,d more', of - 100), '')
FROM as_text, (SELECT *, count(*) OVER () AS of, row_number() OVER (ORDER BY new_nan + new_inf > 0 DESC, layer IS NULL, stack, layer) AS n
               FROM compared_layers WHERE changed + not_compared + new_nan + new_inf > 0) WHERE n <= 100 ORDER BY n;

SELECT iif(n = 1, char(10) || '== Most changed tensors
 differ       max    rel_l2     cosine  not finite  name
-------  --------  --------  ---------  ----------  ----
', '') || printf('%6.1f%%  %8s  %8s  %9s  %10s  %s', 100.0 * n_diff / numel,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN max_abs_diff IS NULL THEN '-' ELSE printf('%.3g', max_abs_diff) END,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN rel_l2 IS NULL THEN '-' ELSE printf('%.3g', rel_l2) END,
       CASE WHEN new_nan > 0 THEN 'NaN' WHEN cosine IS NULL THEN '-' ELSE printf('%.6f', cosine) END,
       iif(new_nan + new_inf, printf('%,d', new_nan + new_inf), ''), safetensors_label(name))
  || iif(n = 20 AND of > 20, printf(char(10) || 'and %,d more', of - 20), '')
FROM as_text, (SELECT *, count(*) OVER () AS of, row_number() OVER (ORDER BY new_nan + new_inf > 0 DESC, rel_l2 DESC, max_abs_diff DESC, rowid) AS n
               FROM compared WHERE n_diff > 0) WHERE n <= 20 ORDER BY n;

SELECT iif(row_number() OVER (ORDER BY min(row)) = 1, char(10) || '== Rows of embeddings' || char(10), '')
  || printf('%s: %,d row%s %s: %s%s', safetensors_label(name), sum(rows), iif(sum(rows) = 1, '', 's'), status,
            group_concat(first || iif(last > first, '-' || last, ''), ', ') FILTER (WHERE n <= 12), iif(count(*) > 12, ', …', ''))
FROM as_text, (SELECT *, rowid AS row, last - first + 1 AS rows, row_number() OVER (PARTITION BY name, status ORDER BY first) AS n FROM compared_rows)
GROUP BY name, status ORDER BY min(row);

SELECT iif(n = 1, char(10) || '== Untouched
tensors  parameters  untouched
-------  ----------  ---------
', '') || printf('%7s  %10s  %s', printf('%,d', tensors), safetensors_pretty(numel), safetensors_label(untouched))
  || iif(n = 20 AND of > 20, printf(char(10) || 'and %,d more', of - 20), '')
FROM as_text, (SELECT *, rowid AS n, count(*) OVER () AS of FROM untouched), comparison WHERE n <= 20 AND kind NOT IN ('identical', 'other') ORDER BY n;

SELECT char(10) || 'It changes ' || group_concat(safetensors_label(pattern), ', ') || '.'
FROM as_text, (SELECT DISTINCT pattern FROM compare_adapted ORDER BY pattern LIMIT 20) HAVING count(*) > 0;

SELECT iif(n = 1, char(10) || '== Three ways: b and c, each compared with a
tensors  status_b  status_c  cosine of changes
-------  --------  --------  -----------------
', '') || printf('%7s  %-8s  %-8s  %17s', printf('%,d', tensors), b, c, iif(cosine IS NULL, '-', printf('%.3f', cosine)))
FROM as_text, (SELECT ifnull(status_b, '-') AS b, ifnull(status_c, '-') AS c, count(*) AS tensors, avg(cosine) AS cosine,
                      row_number() OVER (ORDER BY count(*) DESC, status_b, status_c) AS n
               FROM compared_c GROUP BY status_b, status_c) ORDER BY n;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.bad > 0 BEGIN
  SELECT RAISE(ABORT, 'b has NaN or infinities that a has not');
END;
INSERT INTO verdict SELECT new_nan + new_inf FROM comparison;
