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
-- The answer is yes if every change that can be compared is found: as merged, or among other changes. Of a folder of
-- adapters, each is asked about. The model and the base are one model each.
--
-- @param path path required   the adapter
-- @param model path required  the model into which it may have been merged
-- @param base path            the model before
-- @param format enum text|json|csv|junit|sarif  how to print the tables
-- @table merged_answer(adapter, answer, scale, residual, compared, found)   one row per adapter; answer is yes, in
--    part, no or open
-- @table merged_modules(adapter, module, kind, weight, scale, error, residual, cosine, state, why)   one row per
--    module. error is the standard error of the scale. state is merged, among others, not merged, unchanged (the model
--    has the weight of the base), empty (the change is 0), open (not without the base) or not compared, for which why
--    says why
-- @table merged_checks(rule, level, file, tensor, message)   the same as findings, for junit and sarif
-- @status 1                   when the answer is not yes
-- @example safetensors-sql lora-merged lora.safetensors with_lora.safetensors --base base.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  model TEXT CONSTRAINT ":model is set" CHECK (model IS NOT NULL),
  base TEXT,
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, :model, :base, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':model', ':base', ':format');

-- :model is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.lora_merged_model_models;
CREATE TEMP TABLE lora_merged_model_models AS
  SELECT m.model, m.model = rtrim(p.model, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.model, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.model) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(model)
  SELECT safetensors_refuse(printf(':model is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM lora_merged_model_models
        WHERE is_top = (SELECT max(is_top) FROM lora_merged_model_models) AND NOT (SELECT max(is_it) FROM lora_merged_model_models) LIMIT 8) HAVING n > 1;
-- :base is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.lora_merged_base_models;
CREATE TEMP TABLE lora_merged_base_models AS
  SELECT m.model, m.model = rtrim(p.base, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.base, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.base) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(base)
  SELECT safetensors_refuse(printf(':base is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM lora_merged_base_models
        WHERE is_top = (SELECT max(is_top) FROM lora_merged_base_models) AND NOT (SELECT max(is_it) FROM lora_merged_base_models) LIMIT 8) HAVING n > 1;
DROP TABLE IF EXISTS temp.lora_merged_adapters;
CREATE TEMP TABLE lora_merged_adapters AS
  SELECT iif(n > 1, model, path) AS adapter
  FROM (SELECT p.path, m.model, count(*) OVER () AS n FROM parameters AS p, safetensors_models(p.path) AS m WHERE m.kind NOT IN ('model', 'component', 'optimizer'));
INSERT INTO lora_merged_adapters SELECT p.path FROM parameters AS p, safetensors_tensors(p.path) AS t WHERE NOT EXISTS (SELECT 1 FROM lora_merged_adapters) LIMIT 1;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(adapters CONSTRAINT ":path has an adapter in it" CHECK (adapters > 0));
INSERT INTO needs SELECT count(*) FROM lora_merged_adapters;

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
  SELECT l.adapter, a.parts FROM parameters AS p, lora_merged_adapters AS l, safetensors_adapter(iif(p.base IS NULL, l.adapter, NULL)) AS a WHERE a.ref IS NOT NULL;
CREATE INDEX temp.lora_alone_by_parts ON lora_alone(adapter, parts);
DROP TABLE IF EXISTS temp.lora_merged_work;
CREATE TEMP TABLE lora_merged_work AS
  SELECT l.adapter, a.module, a.kind, a.weight, CAST(NULL AS REAL) AS scale, CAST(NULL AS REAL) AS error, CAST(NULL AS REAL) AS residual,
         CAST(NULL AS REAL) AS cosine, 'compared' AS state, CAST(NULL AS TEXT) AS why, a.status, a.ref AS change,
         iif(p.base IS NULL, m.ref, tensor_sub(m.ref, b.ref)) AS difference, m.numel, m.scheme AS model_scheme,
         p.base IS NULL AND NOT EXISTS (SELECT 1 FROM lora_alone AS o WHERE o.adapter = l.adapter AND o.parts = a.parts)
           AND ifnull(CASE WHEN json_valid(a.ref) THEN json_type(a.ref, '$.parts.base') IS NOT NULL END, 1) AS needs_base,
         CAST(NULL AS REAL) AS l2_change, CAST(NULL AS REAL) AS l2_difference, CAST(NULL AS REAL) AS dot,
         m.name IS NOT NULL AS in_model, b.name IS NOT NULL AS in_base, m.shape AS shape, b.shape AS base_shape
  FROM parameters AS p, lora_merged_adapters AS l, safetensors_adapter(l.adapter, ifnull(p.base, p.model)) AS a
  LEFT JOIN lora_model AS m ON m.name = a.weight LEFT JOIN lora_base AS b ON b.name = a.weight;
UPDATE lora_merged_work SET state = 'not compared', why = CASE
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

UPDATE lora_merged_work SET l2_change = c.l2, l2_difference = d.l2,
  why = iif(c.n_nan + c.n_inf > 0, 'NaN or infinities in the adapter', iif(d.n_nan + d.n_inf > 0, 'NaN or infinities in the models', NULL))
FROM (SELECT m.rowid AS id, s.* FROM lora_merged_work AS m JOIN tensor_stats(m.change) AS s WHERE m.state = 'compared') AS c
JOIN (SELECT m.rowid AS id, s.* FROM lora_merged_work AS m JOIN tensor_stats(m.difference) AS s WHERE m.state = 'compared') AS d USING (id)
WHERE c.id = lora_merged_work.rowid;
UPDATE lora_merged_work SET state = 'not compared' WHERE state = 'compared' AND why IS NOT NULL;
-- Without the base, a module that was saved whole is in the model as it is, or it is not.
UPDATE lora_merged_work SET state = iif(l2_change = 0, 'merged', 'not merged'), scale = iif(l2_change = 0, 1, NULL)
WHERE state = 'compared' AND needs_base;
UPDATE lora_merged_work SET state = 'empty' WHERE state = 'compared' AND l2_change = 0;
UPDATE lora_merged_work SET state = 'unchanged', scale = 0, error = 0
WHERE state = 'compared' AND l2_difference = 0;
UPDATE lora_merged_work SET cosine = min(1, max(-1, tensor_cosine(difference, change))) WHERE state = 'compared';
UPDATE lora_merged_work SET dot = cosine * l2_difference * l2_change, scale = cosine * l2_difference / l2_change,
  residual = iif((SELECT base FROM parameters) IS NULL, NULL, sqrt(1 - cosine * cosine)),
  error = sqrt(1 - cosine * cosine) * l2_difference / l2_change / sqrt(max(1, numel - 1))
WHERE state = 'compared';
UPDATE lora_merged_work SET state = CASE
    WHEN p.base IS NULL THEN iif(abs(scale) >= 6 * error, 'merged', iif(error <= 0.1, 'not merged', 'open'))
    WHEN cosine * cosine >= 0.5 THEN 'merged'
    WHEN abs(scale) >= 6 * error AND abs(cosine) >= 0.05 THEN 'among others'
    ELSE 'not merged' END
FROM parameters AS p WHERE state = 'compared';

-- All modules together: least squares over all of them. Without the base, many that are open alone may decide together.
DROP TABLE IF EXISTS temp.lora_merged_sums;
CREATE TEMP TABLE lora_merged_sums AS
  SELECT adapter, CASE WHEN compared = 0 THEN 'open'
              WHEN found = compared THEN 'yes'
              WHEN open > 0 AND found + open = compared AND abs(scale) >= 6 * error THEN 'yes'
              WHEN open > 0 AND (found + open = compared OR error > 0.1) THEN 'open'
              WHEN found > 0 THEN 'in part' ELSE 'no' END AS answer,
         scale, residual, compared, found, error, low, high, among, left_out, empty, compared > 0 OR waiting > 0 AS needs_base
  FROM (SELECT adapter, total(state IN ('merged', 'among others', 'not merged', 'unchanged', 'open')) AS compared,
               total(state IN ('merged', 'among others')) AS found, total(state = 'open') AS open,
               total(state = 'among others') AS among, total(state = 'not compared') AS left_out,
               total(why IS 'it depends on the base') AS waiting, total(state = 'empty') AS empty,
               sum(dot) / sum(iif(dot IS NULL, NULL, l2_change * l2_change)) AS scale,
               sqrt(sum(iif(dot IS NULL, NULL, pow(error * l2_change * l2_change, 2)))) / sum(iif(dot IS NULL, NULL, l2_change * l2_change)) AS error,
               sqrt(max(0, 1 - sum(dot) * sum(dot) / sum(iif(dot IS NULL, NULL, l2_change * l2_change))
                              / sum(iif(dot IS NULL OR residual IS NULL, NULL, l2_difference * l2_difference)))) AS residual,
               min(scale) FILTER (WHERE state IN ('merged', 'among others')) AS low,
               max(scale) FILTER (WHERE state IN ('merged', 'among others')) AS high
        FROM lora_merged_work GROUP BY adapter);

DROP TABLE IF EXISTS temp.merged_answer;
CREATE TEMP TABLE merged_answer AS
  SELECT adapter, answer, scale, residual, CAST(compared AS INTEGER) AS compared, CAST(found AS INTEGER) AS found FROM lora_merged_sums
  ORDER BY answer = 'yes', answer = 'in part', rowid;
DROP TABLE IF EXISTS temp.merged_modules;
CREATE TEMP TABLE merged_modules AS
  SELECT adapter, module, kind, weight, scale, error, residual, cosine, state, why FROM lora_merged_work AS m
  ORDER BY m.why GLOB 'NaN*' DESC, m.state IN ('merged'), m.state = 'among others', m.residual DESC, m.rowid;
DROP TABLE IF EXISTS temp.merged_checks;
CREATE TEMP TABLE merged_checks AS
  SELECT iif(why GLOB 'NaN*', 'finite', 'merged') AS rule,
         CASE WHEN why GLOB 'NaN*' OR state IN ('not merged', 'unchanged') THEN 'error' WHEN state IN ('merged', 'among others', 'empty') THEN 'ok' ELSE 'skipped' END AS level,
         adapter AS file, module AS tensor, ifnull(why, state || ifnull(printf(', scale %.4g', scale), '')) AS message
  FROM merged_modules;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.lora_merged_text;
CREATE TEMP TABLE lora_merged_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS lora_merged_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM lora_merged_text) WHERE line IS NOT NULL;
-- What is said of each adapter.
INSERT INTO lora_merged_text
  SELECT 'first', (SELECT iif(n > 1, safetensors_label(a.adapter), '') FROM (SELECT count(*) AS n FROM lora_merged_adapters)), CASE answer
    WHEN 'yes' THEN iif(among > 0, 'Yes, among other changes', 'Yes') || CASE
      WHEN scale IS NULL THEN ': all was saved whole, and the model has it'
      WHEN high - low > 0.05 * abs(scale) + 6 * error THEN printf(': with scales from %.3g to %.3g, together %.3g', low, high, scale)
      ELSE printf(': with scale %.3g', scale) END
      || iif(p.base IS NULL AND scale IS NOT NULL, printf(' (error %.2g, as there is no base)', error), '')
    WHEN 'in part' THEN printf('In part: %,d of %,d changes are found', found, compared)
      || iif(low IS NULL, '', printf(', with scales from %.3g to %.3g', low, high))
    WHEN 'no' THEN iif((SELECT count(*) FROM lora_merged_work AS w WHERE w.adapter = a.adapter AND state = 'unchanged') = compared,
                       'No: the model is the base in all weights that the adapter changes',
                       printf('No: none of %,d changes is found', compared))
    ELSE iif(needs_base, 'It cannot be said without the base: :base is not set', 'It cannot be said: no change can be compared') END || '.'
    || iif(answer = 'yes' AND residual >= 0.0001, printf(char(10) || '%.2g%% of the difference is something else, such as rounding.', 100 * residual), '')
    || iif(empty > 0, printf(char(10) || '%,d %s 0 in the adapter.', empty, iif(empty = 1, 'change is', 'changes are')), '')
  FROM parameters AS p, lora_merged_sums AS a ORDER BY answer = 'yes', answer = 'in part', a.rowid;
INSERT INTO lora_merged_text SELECT 'errors', 'error: ' || safetensors_label(module), why FROM lora_merged_work WHERE why LIKE 'NaN%' LIMIT 10;
INSERT INTO lora_merged_text
  SELECT 'left', '', printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), safetensors_label(why))
  FROM lora_merged_work AS m WHERE state = 'not compared' GROUP BY why ORDER BY count(*) DESC, min(m.rowid) LIMIT 10;

.mode list
.headers off
SELECT CASE WHEN format IN ('junit', 'sarif') THEN safetensors_print(format, 'merged_checks') ELSE safetensors_print(format, 'merged_answer', 'merged_modules', 'merged_checks') END
FROM parameters WHERE format <> 'text';
SELECT printf('%,d of %,d adapters are merged into it.', total(answer = 'yes'), count(*)) FROM as_text, lora_merged_sums HAVING count(*) > 1;
SELECT iif(name = '', text, name || char(10) || '  ' || replace(text, char(10), char(10) || '  ')) FROM as_text, lora_merged_text AS t WHERE section = 'first' ORDER BY t.rowid;
SELECT line FROM as_text, lora_merged_lines WHERE section = 'errors' ORDER BY id;

SELECT char(10) || '== Not compared' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_merged_work WHERE state = 'not compared');
SELECT line FROM as_text, lora_merged_lines WHERE section = 'left' ORDER BY id;
SELECT printf('and %,d more', count(DISTINCT why) - 10) FROM as_text, lora_merged_work WHERE state = 'not compared' HAVING count(DISTINCT why) > 10;

SELECT char(10) || '== Modules' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_merged_sums WHERE compared > 0);
.mode column --wrap 0
.headers on
SELECT iif(scale IS NULL, '-', printf('%.4g', scale)) AS scale, iif(residual IS NULL, '-', printf('%.2g', residual)) AS residual, state, kind,
       iif(n > 1, safetensors_label(adapter) || '#', '') || safetensors_label(module) AS module
FROM as_text, merged_modules AS m, (SELECT count(*) AS n FROM lora_merged_adapters) WHERE state NOT IN ('not compared', 'empty') ORDER BY m.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, lora_merged_work WHERE state NOT IN ('not compared', 'empty') HAVING count(*) > 20;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(answer, needs_base);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'the adapter was not merged into this model') WHERE new.answer = 'no';
  SELECT RAISE(ABORT, 'only some of the changes were merged') WHERE new.answer = 'in part';
  SELECT RAISE(ABORT, 'nothing can be compared') WHERE new.answer = 'open' AND NOT new.needs_base;
  SELECT RAISE(ABORT, 'it cannot be said without the base') WHERE new.answer = 'open';
END;
INSERT INTO verdict SELECT answer, needs_base FROM lora_merged_sums ORDER BY answer = 'yes', answer <> 'no', answer <> 'in part' LIMIT 1;
.mode column
.headers on
