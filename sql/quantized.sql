-- What is packed in this model, and is it whole?
--
-- Lists packed and scaled weights as safetensors_weights does, which knows the schemes and reads the configurations
-- beside the files: how many there are of each scheme, how many bits a weight takes with its scales and all, what is
-- missing, left over or of the wrong shape, and what looks packed in a way that is not known here. A path with many
-- XX
--
-- With :base, the model before it was packed, each packed weight is dequantized and compared with the weight of the
-- same name there. rel_l2 is the norm of the error divided by the norm of the base's weight. This is one pass over
-- both. To do the same in a query of your own:
--
--   SELECT q.layer, max(c.rel_l2) FROM safetensors_weights('packed') AS q
--   JOIN safetensors_weights('base') AS b ON b.name = q.name
--   JOIN tensor_compare(b.ref, q.ref) AS c
--   WHERE q.scheme <> 'none' GROUP BY q.layer;
--
-- @alias quant
-- @param path path required   a model, or a folder or pattern of them
-- @param base path            the model before it was packed, to measure the error
-- @param format enum text|json|csv|junit|sarif  how to print the tables
-- @table quantized(model, weight, scheme, dtype, shape, numel, nbytes, bits, status, parts, layer, pattern, ref)   one
--    row per packed weight. shape and numel are those of the unpacked weight, nbytes is what all its parts take, and
--    ref dequantizes it; it is NULL if the weight cannot be unpacked
-- @table quantized_models(model, weights, packed, schemes, numel, nbytes, bits_per_weight, wrong, announced, status,
--    error)   one row per model. wrong counts what is in the next three tables; announced is what its configuration
--    says
-- @table quantized_schemes(model, scheme, weights, not_whole, numel, nbytes, bits_per_weight)   one row per scheme;
--    none is that of weights that are not packed
-- @table not_whole(model, name, scheme, status, unpacks)   one row per weight of which something is missing or wrong.
--    unpacks is 1 if it can be unpacked all the same, such as where only a configuration differs
-- @table lonely_scales(model, scale, dtype, shape, pattern, status)   scales whose weight is missing
-- @table unknown_packed(model, name, dtype, shape, nbytes, pattern, status)   what looks packed in another way
-- @table quantized_errors(weight, scheme, layer, numel, n_diff, max_abs_diff, rel_l2, cosine, l2_base, l2_error,
--    not_finite, problem)   one row per packed weight, if there is a base. problem says why it is not compared, and
--    not_finite counts NaN and infinities, if the base has numbers there
-- @table quantized_findings(rule, level, file, tensor, message)   what is wrong, for JUnit and SARIF
-- @status 1                   when a weight is not whole or in doubt, a scale has no weight, the way in which something
--    is packed is not known, a file cannot be read, or a weight has NaN or infinities that the base does not have
-- @example safetensors-sql quantized model_directory
-- @example safetensors-sql quantized packed_directory --base model_directory

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  base TEXT,
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, :base, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':base', ':format');

DROP TABLE IF EXISTS temp.quantized_models;
CREATE TEMP TABLE quantized_models AS
  SELECT model, NULL AS weights, NULL AS packed, NULL AS schemes, NULL AS numel, NULL AS nbytes, NULL AS bits_per_weight, 0 AS wrong,
         CASE WHEN json_valid(config) THEN
           coalesce(json_extract(config, '$.quantization_config.quant_method'), json_extract(config, '$.quantization.mode'),
                    iif(coalesce(json_extract(config, '$.quantization_config'), json_extract(config, '$.quantization'))
                        IS NOT NULL, 'quantization', NULL)) END AS announced,
         status, error
  FROM safetensors_models(iif(:base IS NULL, :path, NULL)) WHERE status <> 'empty'
  UNION ALL
  SELECT :path, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, ifnull(max(nullif(status, 'ok')), 'ok'), max(error)
  FROM safetensors_files(iif(:base IS NULL, NULL, :path)) HAVING count(*) > 0;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a model with tensors" CHECK (models > 0),
                        compared CONSTRAINT ":base has a packed weight's name" CHECK (compared > 0));
INSERT INTO needs(models) SELECT count(*) FROM quantized_models;

DROP TABLE IF EXISTS temp.quantized_base;
CREATE TEMP TABLE quantized_base(name TEXT PRIMARY KEY, shape TEXT, ref TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO quantized_base SELECT name, shape, ref FROM safetensors_weights(:base) WHERE role = 'weight';

-- If some files cannot be read, the others are read without them.
DROP TABLE IF EXISTS temp.quantized_setting;
CREATE TEMP TABLE quantized_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM quantized_models WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.quantized_weights;
CREATE TEMP TABLE quantized_weights AS
  SELECT m.model, w.name, w.scheme, w.dtype, w.shape, w.numel, w.nbytes, w.bits, w.status, w.role, w.parts, w.layer, w.pattern, w.ref
  FROM quantized_models AS m JOIN safetensors_weights(m.model) AS w;
UPDATE quantized_setting SET errors = safetensors_config('errors', errors);
-- If there is only one, and nothing of it can be read, this raises why.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM quantized_models AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM quantized_weights) AND (SELECT count(*) FROM quantized_models) = 1;

DROP TABLE IF EXISTS temp.quantized;
CREATE TEMP TABLE quantized AS
  SELECT model, name AS weight, scheme, dtype, shape, numel, nbytes, bits, status, parts, layer, pattern, ref
  FROM quantized_weights AS w WHERE role = 'weight' AND scheme NOT IN ('none', 'unknown') ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.not_whole;
CREATE TEMP TABLE not_whole AS
  SELECT model, name, scheme, status, ref IS NOT NULL AS unpacks FROM quantized_weights AS w
  WHERE status <> 'ok' AND role <> 'scale' AND scheme <> 'unknown' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.lonely_scales;
CREATE TEMP TABLE lonely_scales AS
  SELECT model, name AS scale, dtype, shape, pattern, iif(status = 'ok', 'it has no weight', status) AS status
  FROM quantized_weights AS w WHERE role = 'scale' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.unknown_packed;
CREATE TEMP TABLE unknown_packed AS
  SELECT model, name, dtype, shape, nbytes, pattern, status FROM quantized_weights AS w
  WHERE scheme = 'unknown' AND role <> 'scale' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.quantized_schemes;
CREATE TEMP TABLE quantized_schemes AS
  SELECT model, scheme, count(*) AS weights, sum(status <> 'ok') AS not_whole, sum(numel) AS numel, sum(nbytes) AS nbytes,
         8.0 * sum(iif(numel IS NULL, NULL, nbytes)) / nullif(sum(numel), 0) AS bits_per_weight
  FROM quantized_weights WHERE role = 'weight' GROUP BY model, scheme ORDER BY model, scheme = 'none', sum(nbytes) DESC, scheme;
UPDATE quantized_models SET weights = s.weights, packed = s.packed, schemes = s.schemes, numel = s.numel, nbytes = s.nbytes,
                            bits_per_weight = s.bits_per_weight
FROM (SELECT model, sum(weights) AS weights, sum(iif(scheme IN ('none', 'unknown'), 0, weights)) AS packed,
             group_concat(nullif(scheme, 'none'), ', ') AS schemes, sum(numel) AS numel, sum(nbytes) AS nbytes,
             8.0 * total(nbytes) FILTER (WHERE bits_per_weight IS NOT NULL) / nullif(sum(numel), 0) AS bits_per_weight
      FROM quantized_schemes GROUP BY model) AS s
WHERE s.model = quantized_models.model;
UPDATE quantized_models SET wrong = n
FROM (SELECT model, count(*) AS n FROM (
        SELECT model FROM not_whole UNION ALL SELECT model FROM lonely_scales UNION ALL SELECT model FROM unknown_packed)
      GROUP BY model) AS w
WHERE w.model = quantized_models.model;

-- A weight that is stored twice in the base is compared once.
DROP TABLE IF EXISTS temp.quantized_compared;
CREATE TEMP TABLE quantized_compared AS
  SELECT q.weight, q.scheme, q.layer, q.numel, c.n_diff, c.max_abs_diff, c.rel_l2, c.cosine, c.l2_a AS l2_base,
         c.l2_diff AS l2_error, iif(q.problem IS NULL, 0, NULL) AS not_finite, q.problem,
         c.n_nan_one > 0 OR c.max_abs_diff = 9e999 AS is_odd, q.ref, q.pattern
  FROM (SELECT q.*, b.ref AS base_ref,
               CASE WHEN b.name IS NULL THEN 'the base has no such weight'
                    WHEN b.ref IS NULL THEN 'the base''s weight cannot be unpacked'
                    WHEN q.ref IS NULL THEN q.status
                    WHEN b.shape <> q.shape THEN 'the base has ' || b.shape || ', not ' || q.shape END AS problem
        FROM parameters AS p, quantized AS q LEFT JOIN quantized_base AS b ON b.name = q.weight
        WHERE p.base IS NOT NULL) AS q
  LEFT JOIN tensor_compare(iif(q.problem IS NULL, q.base_ref, NULL), q.ref) AS c;
UPDATE quantized_compared SET not_finite = s.n_nan + s.n_inf FROM tensor_stats(ref) AS s WHERE is_odd;
CREATE TEMP VIEW IF NOT EXISTS quantized_errors AS
  SELECT weight, scheme, layer, numel, n_diff, max_abs_diff, rel_l2, cosine, l2_base, l2_error, not_finite, problem
  FROM quantized_compared;
INSERT INTO needs(compared)
  SELECT count(b.name) FROM quantized AS q LEFT JOIN quantized_base AS b ON b.name = q.weight
  HAVING count(*) > 0 AND :base IS NOT NULL;

DROP TABLE IF EXISTS temp.quantized_findings;
CREATE TEMP TABLE quantized_findings AS
  SELECT 'readable' AS rule, 'error' AS level, model AS file, NULL AS tensor, ifnull(error, status) AS message
  FROM quantized_models WHERE status <> 'ok'
  UNION ALL
  SELECT 'finite', 'error', :path, weight, printf('%,d NaN or infinities where the base has numbers', not_finite)
  FROM quantized_compared WHERE not_finite > 0
  UNION ALL SELECT 'whole', 'error', model, name, status FROM not_whole
  UNION ALL SELECT 'scale', 'error', model, scale, status FROM lonely_scales
  UNION ALL SELECT 'known', 'error', model, name, status FROM unknown_packed
  UNION ALL SELECT 'compared', 'skipped', :path, weight, problem FROM quantized_compared WHERE problem IS NOT NULL
  UNION ALL
  SELECT 'announced', 'warning', model, NULL, 'a configuration announces ' || announced || ', but no weight is packed'
  FROM quantized_models WHERE announced IS NOT NULL AND schemes IS NULL AND status = 'ok'
  UNION ALL
  SELECT 'whole', 'ok', model, NULL, printf('%,d of %,d weights are packed, all are whole', packed, weights)
  FROM quantized_models WHERE wrong = 0 AND status = 'ok';

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT CASE WHEN format IN ('junit', 'sarif') THEN safetensors_print(format, 'quantized_findings')
            ELSE safetensors_print(format, 'quantized', 'quantized_models', 'quantized_schemes', 'not_whole', 'lonely_scales',
                                   'unknown_packed', 'quantized_errors', 'quantized_findings') END
FROM parameters WHERE format <> 'text';

DROP TABLE IF EXISTS temp.quantized_common;
CREATE TEMP TABLE quantized_common AS
  SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, count(*) AS models,
         count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders, total(status <> 'ok') AS unread FROM quantized_models;

SELECT l.value FROM as_text, (
  SELECT (SELECT count(*) FROM not_whole WHERE NOT unpacks) AS not_whole, (SELECT count(*) FROM not_whole WHERE unpacks) AS doubtful,
         (SELECT count(*) FROM lonely_scales) AS scales, (SELECT count(*) FROM unknown_packed) AS unknown,
         (SELECT count(*) FROM quantized) AS packed, (SELECT count(*) FROM quantized_errors WHERE not_finite > 0) AS odd,
         (SELECT count(*) FROM quantized_errors WHERE problem IS NOT NULL) AS not_compared,
         total(weights) AS weights, total(numel) AS numel, total(nbytes) AS nbytes, c.models, c.unread,
         (SELECT count(*) FROM quantized_models WHERE packed > 0) AS packed_models,
         (SELECT group_concat(error, '; ') FROM quantized_models WHERE status <> 'ok') AS error,
         group_concat(DISTINCT scheme) FILTER (WHERE scheme NOT IN ('none', 'unknown')) AS schemes,
         8.0 * total(nbytes) FILTER (WHERE scheme NOT IN ('none', 'unknown'))
         / nullif(total(numel) FILTER (WHERE scheme NOT IN ('none', 'unknown')), 0) AS bits
  FROM quantized_common AS c LEFT JOIN quantized_schemes ON 1) AS n, json_each(json_array(
  iif(unread > 0 AND models > 1, printf('error: %,d of %,d models cannot be read, or not whole.', unread, models), NULL),
  iif(unread > 0 AND models = 1, 'error: it is not whole:' || char(10) || '  ' || safetensors_label(ifnull(substr(error, 14), '')), NULL),
  iif(not_whole > 0, printf('error: %,d weight%s not whole.', not_whole, iif(not_whole = 1, ' is', 's are')), NULL),
  iif(doubtful > 0, printf('error: %,d weight%s in doubt, but can be unpacked.', doubtful, iif(doubtful = 1, ' is', 's are')), NULL),
  iif(scales > 0, printf('error: %,d scale%s no weight.', scales, iif(scales = 1, ' has', 's have')), NULL),
  iif(unknown > 0, printf('error: %,d tensor%s packed in a way that is not known here.', unknown,
                          iif(unknown = 1, ' looks', 's look')), NULL),
  iif(odd > 0, printf('error: %,d packed weight%s NaN or infinities where the base has numbers.', odd,
                      iif(odd = 1, ' has', 's have')), NULL),
  iif(packed > 0,
      printf('%,d of %,d weights %s packed (%s), at %.2f bits each%s', packed, weights, iif(packed = 1, 'is', 'are'),
             iif(length(schemes) > 24, substr(schemes, 1, 21) || '...', replace(schemes, ',', ', ')), bits,
             CASE WHEN unread + not_whole + doubtful + scales + unknown > 0 THEN '.'
                  WHEN packed = 1 THEN '; it is whole.' ELSE '; all are whole.' END),
      iif(unknown = 0, iif(weights = 1, 'The only weight is not packed.', printf('None of %,d weights is packed.', weights)), NULL)),
  iif(models > 1, printf('%,d of %,d models %s packed weights.', packed_models, models, iif(packed_models = 1, 'has', 'have')), NULL),
  iif(numel > 0, printf('In all %s parameters in %s: %.2f bits each.', safetensors_pretty(CAST(numel AS INTEGER)),
                        safetensors_pretty(CAST(nbytes AS INTEGER), 'B'), 8.0 * nbytes / numel), NULL),
  (SELECT printf('From the base they differ by %.3g of its norm: at most %.3g in one weight.',
                 sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0)), max(rel_l2))
   FROM quantized_errors WHERE problem IS NULL AND not_finite = 0 AND rel_l2 < 9e999 HAVING count(*) > 0),
  (SELECT printf('warning: of %,d weight%s the base is all zero or has infinities: the error is no number.', count(*), iif(count(*) = 1, '', 's'))
   FROM quantized_errors WHERE not_finite = 0 AND rel_l2 = 9e999 HAVING count(*) > 0),
  iif(not_compared > 0, printf('warning: %,d packed weight%s not compared with the base.', not_compared,
                               iif(not_compared = 1, ' is', 's are')), NULL),
  (SELECT printf('warning: config.json announces a quantization, %s, but no weight is packed.',
                 safetensors_label(substr(group_concat(DISTINCT announced), 1, 22)))
   FROM quantized_models WHERE announced IS NOT NULL AND schemes IS NULL AND status = 'ok' HAVING count(*) > 0)
)) AS l WHERE l.value IS NOT NULL;
SELECT printf('%,d models in %,d folder%s were looked at.', models, folders, iif(folders = 1, '', 's')) FROM quantized_common, as_text WHERE models > 1;

SELECT char(10) || '== Models' FROM as_text, quantized_common WHERE models > 1;
.mode column --wrap 0
.headers on
SELECT printf('%6s', ifnull(packed, '-')) AS packed, printf('%7s', ifnull(weights, '-')) AS weights, printf('%6s', iif(bits_per_weight IS NULL, '-', printf('%.2f', bits_per_weight))) AS "  bits",
       printf('%8s', ifnull(safetensors_pretty(nbytes, 'B'), '-')) AS "   bytes", printf('%5d', wrong) AS wrong, ifnull(schemes, '-') AS schemes, status,
       safetensors_label(model, common) AS model
FROM quantized_models AS m, quantized_common, as_text WHERE models > 1
ORDER BY status <> 'ok' DESC, wrong > 0 DESC, m.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', models - 1000) FROM quantized_common, as_text WHERE models > 1000;
SELECT char(10) || '== Models that cannot be read, or are not whole' FROM as_text, quantized_common WHERE models > 1 AND unread > 0;
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM quantized_models, as_text, quantized_common
WHERE models > 1 AND status <> 'ok' LIMIT 40;

-- What cannot be unpacked comes first, in groups of one pattern and one reason.
DROP TABLE IF EXISTS temp.quantized_wrong;
CREATE TEMP TABLE quantized_wrong AS
  SELECT section, row_number() OVER (PARTITION BY section ORDER BY unpacks, n DESC, place) AS number, n, what,
         iif(models > 1, safetensors_label(model, common) || '#', '') || safetensors_label(iif(n = 1, name, pattern)) AS label
  FROM (SELECT f.model, f.name, f.pattern, f.section, f.unpacks, f.what, count(*) AS n, min(f.place) AS place
        FROM (SELECT n.model, n.name, w.pattern, 1 AS section, n.unpacks, n.status AS what, n.rowid AS place
              FROM not_whole AS n JOIN quantized_weights AS w ON w.model = n.model AND w.name = n.name
              UNION ALL SELECT model, scale, pattern, 2, 0, status, rowid FROM lonely_scales
              UNION ALL SELECT model, name, pattern, 3, 0, dtype || ': ' || status, rowid FROM unknown_packed
              UNION ALL SELECT :path, weight, pattern, 4, 0, problem, rowid FROM quantized_compared
              WHERE problem IS NOT NULL) AS f
        GROUP BY f.model, f.section, f.unpacks, f.pattern, f.what), quantized_common;
-- Names and what is said of them are on lines of their own.
SELECT iif(number = 1, char(10) || '== ' || CASE section WHEN 1 THEN 'Not whole, or in doubt' WHEN 2 THEN 'Scales without weights'
             WHEN 3 THEN 'Packed in a way that is not known here' ELSE 'Not compared with the base' END || char(10), '')
       || iif(n > 1, printf('%,d of ', n), '') || label || ':' || char(10) || '  ' || safetensors_label(what)
FROM quantized_wrong, as_text WHERE number <= 20 ORDER BY section, number;
SELECT printf('and %,d more kinds', sum(more)) FROM (
  SELECT max(0, count(*) - 20) AS more FROM quantized_wrong GROUP BY section), as_text HAVING sum(more) > 0;

SELECT char(10) || '== Schemes' FROM as_text WHERE EXISTS (SELECT 1 FROM quantized_schemes);
.mode column --wrap 0
.headers on
SELECT scheme, printf('%7d', weights) AS weights, printf('%9d', not_whole) AS not_whole,
       printf('%10s', ifnull(safetensors_pretty(numel), '-')) AS parameters,
       printf('%6s', iif(bits IS NULL, '-', printf('%.2f', bits))) AS "  bits", printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM (SELECT scheme, sum(weights) AS weights, sum(not_whole) AS not_whole, sum(numel) AS numel, sum(nbytes) AS nbytes,
             8.0 * sum(iif(numel IS NULL, NULL, nbytes)) / nullif(sum(numel), 0) AS bits
      FROM quantized_schemes GROUP BY scheme), as_text
ORDER BY scheme = 'none', nbytes DESC;
.mode list
.headers off

SELECT char(10) || '== Error by layer' FROM as_text WHERE EXISTS (SELECT 1 FROM quantized_errors WHERE problem IS NULL);
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS weights,
       printf('%8s', CASE WHEN total(not_finite) > 0 THEN 'NaN'
            ELSE printf('%.3g', sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0))) END) AS "  rel_l2",
       printf('%8s', iif(total(not_finite) > 0, 'NaN', printf('%.3g', max(max_abs_diff)))) AS "     max",
       ifnull(safetensors_label(iif(instr(pattern, '#') > 2, substr(pattern, 1, instr(pattern, '#') - 2) || '.', '') || layer), '-') AS layer
FROM quantized_compared AS e, as_text WHERE problem IS NULL
GROUP BY iif(e.layer IS NULL, NULL, substr(pattern, 1, instr(pattern, '#'))), e.layer
ORDER BY total(not_finite) > 0 DESC, sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0)) DESC, min(e.rowid) LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20)
FROM (SELECT 1 FROM quantized_compared WHERE problem IS NULL
      GROUP BY iif(layer IS NULL, NULL, substr(pattern, 1, instr(pattern, '#'))), layer), as_text HAVING count(*) > 20;
SELECT char(10) || '== Twenty weights with the greatest error' FROM as_text WHERE EXISTS (SELECT 1 FROM quantized_errors WHERE problem IS NULL);
.mode column --wrap 0
.headers on
SELECT printf('%8s', iif(not_finite > 0, 'NaN', printf('%.3g', rel_l2))) AS "  rel_l2",
       printf('%8s', iif(not_finite > 0, 'NaN', printf('%.3g', max_abs_diff))) AS "     max",
       printf('%9s', iif(not_finite > 0, 'NaN', iif(cosine IS NULL, '-', printf('%.6f', cosine)))) AS "   cosine", safetensors_label(weight) AS name
FROM quantized_compared AS e, as_text
WHERE problem IS NULL ORDER BY e.not_finite > 0 DESC, e.rel_l2 DESC, e.max_abs_diff DESC, e.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM quantized_errors, as_text WHERE problem IS NULL HAVING count(*) > 20;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unread, not_whole, scales, unknown, odd);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a file of the model cannot be read') WHERE new.unread > 0;
  SELECT RAISE(ABORT, 'a weight is not whole, or in doubt') WHERE new.not_whole > 0;
  SELECT RAISE(ABORT, 'a scale has no weight') WHERE new.scales > 0;
  SELECT RAISE(ABORT, 'something is packed in a way that is not known here') WHERE new.unknown > 0;
  SELECT RAISE(ABORT, 'a packed weight has NaN or infinities that the base does not have') WHERE new.odd > 0;
END;
INSERT INTO verdict
  SELECT (SELECT count(*) FROM quantized_models WHERE status <> 'ok'), (SELECT count(*) FROM not_whole),
         (SELECT count(*) FROM lonely_scales), (SELECT count(*) FROM unknown_packed),
         (SELECT count(*) FROM quantized_errors WHERE not_finite > 0);
