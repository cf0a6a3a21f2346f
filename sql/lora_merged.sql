-- Was this adapter merged into this model, and with which scale?
--
-- Looks along the change of each weight. With the base, the difference of the model from the base is taken apart:
-- scale is what times the change is nearest to it, by least squares, and residual the share that is left of the norm
-- of the difference: 0 if the difference is the change alone, nearly 1 if it has nothing to do with it. Rounding to
-- BF16 leaves a residual of some per cent, as it does in the merge itself.
--
-- Without the base, the model itself is taken, of which the change is a part: scale is then known up to an error,
-- which is small for large weights, since the rest of a weight has hardly more of this direction than chance gives it.
-- This is an estimate, and the answer can be that it cannot be said without the base. Changes that depend on the base
-- (DoRA, (IA)3 and others) need it; of modules that were saved whole it is asked whether the model has them as they
-- were saved.
--
-- The answer is yes if every change that can be compared is found: as merged, or among other changes.
--
-- @param path path required   the adapter
-- @param model path required  the model into which it may have been merged
-- @param base path            the model before
-- @table merged_modules(module, kind, weight, scale, error, residual, cosine, state, why)   one row per module. error
--    is the standard error of the scale. state is merged, among others, not merged, unchanged (the model has the weight
--    of the base), empty (the change is 0), open (not without the base) or not compared, for which why says why
-- @table merged_answer(answer, scale, residual, compared, found)   one row; answer is yes, in part, no or open
-- @status 1                   when the answer is not yes
-- @example safetensors-sql lora-merged lora.safetensors with_lora.safetensors --base base.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  model TEXT CONSTRAINT ":model is set" CHECK (model IS NOT NULL),
  base TEXT
);
INSERT INTO parameters VALUES (:path, :model, :base);

DROP TABLE IF EXISTS temp.lora_base;
CREATE TEMP TABLE lora_base AS
  SELECT w.name, w.scheme, w.dtype, w.shape, w.numel, w.status, w.ref FROM parameters AS p, safetensors_weights(p.base) AS w;
CREATE INDEX temp.lora_base_by_name ON lora_base(name);
DROP TABLE IF EXISTS temp.lora_model;
CREATE TEMP TABLE lora_model AS
  SELECT w.name, w.scheme, w.dtype, w.shape, w.numel, w.status, w.ref FROM parameters AS p, safetensors_weights(p.model) AS w;
CREATE INDEX temp.lora_model_by_name ON lora_model(name);

-- Without a base, names are those of the model; what has a change there and none on its own depends on the base, if it is
-- a part of it and not only its shape.
DROP TABLE IF EXISTS temp.lora_alone;
CREATE TEMP TABLE lora_alone AS
  SELECT a.parts FROM parameters AS p, safetensors_adapter(iif(p.base IS NULL, p.path, NULL)) AS a WHERE a.ref IS NOT NULL;
DROP TABLE IF EXISTS temp.merged_modules;
CREATE TEMP TABLE merged_modules AS
  SELECT a.module, a.kind, a.weight, CAST(NULL AS REAL) AS scale, CAST(NULL AS REAL) AS error, CAST(NULL AS REAL) AS residual,
         CAST(NULL AS REAL) AS cosine, 'compared' AS state, CAST(NULL AS TEXT) AS why, a.status, a.ref AS change,
         iif(p.base IS NULL, m.ref, tensor_sub(m.ref, b.ref)) AS difference, m.numel, m.scheme AS model_scheme,
         p.base IS NULL AND a.parts NOT IN (SELECT parts FROM lora_alone)
           AND ifnull(CASE WHEN json_valid(a.ref) THEN json_type(a.ref, '$.parts.base') IS NOT NULL END, 1) AS needs_base,
         CAST(NULL AS REAL) AS l2_change, CAST(NULL AS REAL) AS l2_difference, CAST(NULL AS REAL) AS dot,
         m.name IS NOT NULL AS in_model, b.name IS NOT NULL AS in_base, m.shape AS shape, b.shape AS base_shape
  FROM parameters AS p, safetensors_adapter(p.path, ifnull(p.base, p.model)) AS a
  LEFT JOIN lora_model AS m ON m.name = a.weight LEFT JOIN lora_base AS b ON b.name = a.weight;
UPDATE merged_modules SET state = 'not compared', why = CASE
         WHEN weight IS NULL THEN iif(status = 'ok', 'it changes no weight', status)
         WHEN change IS NULL AND status <> 'ok' THEN status
         WHEN NOT in_model THEN printf('expected a weight %s in the model, found none', weight)
         WHEN p.base IS NOT NULL AND NOT in_base THEN printf('expected a weight %s in the base, found none', weight)
         WHEN json(shape) <> json(base_shape) THEN printf('expected the shape of the base, %s, found %s', base_shape, shape)
         WHEN change IS NULL THEN iif(status = 'ok', 'its change cannot be computed', status)
         WHEN difference IS NULL THEN 'a packed weight cannot be dequantized'
         WHEN json(tensor_shape(change)) <> json(shape) THEN
           printf('its change has the shape %s, expected that of the weight, %s', tensor_shape(change), shape)
         ELSE 'it depends on the base' END
FROM parameters AS p
WHERE weight IS NULL OR NOT in_model OR p.base IS NOT NULL AND NOT in_base OR json(shape) <> json(base_shape) OR change IS NULL
   OR difference IS NULL OR json(tensor_shape(change)) <> json(shape) OR needs_base AND kind NOT IN ('full', 'tokens');

UPDATE merged_modules SET l2_change = c.l2, l2_difference = d.l2,
  why = iif(c.n_nan + c.n_inf > 0, 'NaN or infinities in the adapter', iif(d.n_nan + d.n_inf > 0, 'NaN or infinities in the models', NULL))
FROM (SELECT m.rowid AS id, s.* FROM merged_modules AS m JOIN tensor_stats(m.change) AS s WHERE m.state = 'compared') AS c
JOIN (SELECT m.rowid AS id, s.* FROM merged_modules AS m JOIN tensor_stats(m.difference) AS s WHERE m.state = 'compared') AS d USING (id)
WHERE c.id = merged_modules.rowid;
UPDATE merged_modules SET state = 'not compared' WHERE state = 'compared' AND why IS NOT NULL;
-- Without the base, a module that was saved whole is in the model as it is, or it is not.
UPDATE merged_modules SET state = iif(l2_change = 0, 'merged', 'not merged'), scale = iif(l2_change = 0, 1, NULL)
WHERE state = 'compared' AND needs_base;
UPDATE merged_modules SET state = 'empty' WHERE state = 'compared' AND l2_change = 0;
UPDATE merged_modules SET state = 'unchanged', scale = 0, error = 0
WHERE state = 'compared' AND l2_difference = 0;
UPDATE merged_modules SET cosine = min(1, max(-1, tensor_cosine(difference, change))) WHERE state = 'compared';
UPDATE merged_modules SET dot = cosine * l2_difference * l2_change, scale = cosine * l2_difference / l2_change,
  residual = iif((SELECT base FROM parameters) IS NULL, NULL, sqrt(1 - cosine * cosine)),
  error = sqrt(1 - cosine * cosine) * l2_difference / l2_change / sqrt(max(1, numel - 1))
WHERE state = 'compared';
UPDATE merged_modules SET state = CASE
    WHEN p.base IS NULL THEN iif(abs(scale) >= 6 * error, 'merged', iif(error <= 0.1, 'not merged', 'open'))
    WHEN cosine * cosine >= 0.5 THEN 'merged'
    WHEN abs(scale) >= 6 * error AND abs(cosine) >= 0.05 THEN 'among others'
    ELSE 'not merged' END
FROM parameters AS p WHERE state = 'compared';

-- All modules together: least squares over all of them. Without the base, many that are open alone may decide together.
DROP TABLE IF EXISTS temp.merged_answer;
CREATE TEMP TABLE merged_answer AS
  SELECT CASE WHEN compared = 0 THEN 'open'
              WHEN found = compared THEN 'yes'
              WHEN open > 0 AND found + open = compared AND abs(scale) >= 6 * error THEN 'yes'
              WHEN open > 0 AND (found + open = compared OR error > 0.1) THEN 'open'
              WHEN found > 0 THEN 'in part' ELSE 'no' END AS answer,
         scale, residual, compared, found, error, low, high, among, left_out, empty, compared > 0 OR waiting > 0 AS needs_base
  FROM (SELECT total(state IN ('merged', 'among others', 'not merged', 'unchanged', 'open')) AS compared,
               total(state IN ('merged', 'among others')) AS found, total(state = 'open') AS open,
               total(state = 'among others') AS among, total(state = 'not compared') AS left_out,
               total(why IS 'it depends on the base') AS waiting, total(state = 'empty') AS empty,
               sum(dot) / sum(iif(dot IS NULL, NULL, l2_change * l2_change)) AS scale,
               sqrt(sum(iif(dot IS NULL, NULL, pow(error * l2_change * l2_change, 2)))) / sum(iif(dot IS NULL, NULL, l2_change * l2_change)) AS error,
               sqrt(max(0, 1 - sum(dot) * sum(dot) / sum(iif(dot IS NULL, NULL, l2_change * l2_change))
                              / sum(iif(dot IS NULL OR residual IS NULL, NULL, l2_difference * l2_difference)))) AS residual,
               min(scale) FILTER (WHERE state IN ('merged', 'among others')) AS low,
               max(scale) FILTER (WHERE state IN ('merged', 'among others')) AS high
        FROM merged_modules);

.mode list
.headers off
.print == Verdict
SELECT printf('error: %s: %s', iif(length(module) > 38, substr(module, 1, 12) || '...' || substr(module, -23), module), why)
FROM merged_modules WHERE why LIKE 'NaN%' LIMIT 10;
SELECT CASE answer
    WHEN 'yes' THEN iif(among > 0, 'Yes, among other changes', 'Yes') || CASE
      WHEN scale IS NULL THEN ': all was saved whole, and the model has it'
      WHEN high - low > 0.05 * abs(scale) + 6 * error THEN printf(': with scales from %.3g to %.3g, together %.3g', low, high, scale)
      ELSE printf(': with scale %.3g', scale) END
      || iif(p.base IS NULL AND scale IS NOT NULL, printf(' (error %.2g, as there is no base)', error), '')
    WHEN 'in part' THEN printf('In part: %,d of %,d changes are found', found, compared)
      || iif(low IS NULL, '', printf(', with scales from %.3g to %.3g', low, high))
    WHEN 'no' THEN iif((SELECT count(*) FROM merged_modules WHERE state = 'unchanged') = compared,
                       'No: the model is the base in all weights that the adapter changes',
                       printf('No: none of %,d changes is found', compared))
    ELSE iif(needs_base, 'It cannot be said without the base: :base is not set', 'It cannot be said: no change can be compared') END || '.'
FROM parameters AS p, merged_answer AS a;
SELECT printf('%.2g%% of the difference is something else, such as rounding.', 100 * residual) FROM merged_answer WHERE answer = 'yes' AND residual >= 0.0001;
SELECT printf('%,d %s 0 in the adapter.', empty, iif(empty = 1, 'change is', 'changes are')) FROM merged_answer WHERE empty > 0;

SELECT char(10) || '== Not compared' FROM merged_answer WHERE left_out > 0;
SELECT printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), iif(length(why) > 60, substr(why, 1, 28) || '...' || substr(why, -29), why))
FROM merged_modules AS m WHERE state = 'not compared' GROUP BY why ORDER BY count(*) DESC, min(m.rowid) LIMIT 10;
SELECT printf('and %,d more', count(DISTINCT why) - 10) FROM merged_modules WHERE state = 'not compared' HAVING count(DISTINCT why) > 10;

SELECT char(10) || '== Modules' FROM merged_answer WHERE compared > 0;
.mode column
.headers on
SELECT iif(length(module) > 40, substr(module, 1, 14) || '...' || substr(module, -23), module) AS module, kind, state,
       iif(scale IS NULL, NULL, printf('%.4g', scale)) AS scale, iif(residual IS NULL, NULL, printf('%.2g', residual)) AS residual
FROM merged_modules AS m WHERE state NOT IN ('not compared', 'empty')
ORDER BY m.state IN ('merged'), m.state = 'among others', m.residual DESC, m.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM merged_modules WHERE state NOT IN ('not compared', 'empty') HAVING count(*) > 20;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(answer);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'nothing can be compared') WHERE new.answer = 'open' AND (SELECT NOT needs_base FROM merged_answer);
  SELECT RAISE(ABORT, 'it cannot be said without the base') WHERE new.answer = 'open';
  SELECT RAISE(ABORT, 'only some of the changes were merged') WHERE new.answer = 'in part';
  SELECT RAISE(ABORT, 'the adapter was not merged into this model') WHERE new.answer = 'no';
END;
INSERT INTO verdict SELECT answer FROM merged_answer;
.mode column
.headers on
