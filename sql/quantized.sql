-- What is packed in this model, and is it whole?
--
-- Lists packed and scaled weights as safetensors_weights does, which knows the schemes and reads the configurations
-- beside the files: how many there are of each scheme, how many bits a weight takes with its scales and all, what is
-- missing, left over or of the wrong shape, and what looks packed in a way that is not known here. All files of the
-- path are one model. Without a base, the script reads only headers, and what describes the packed weights.
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
-- @param path path required   the model
-- @param base path            the model before it was packed, to measure the error
-- @table quantized(weight, scheme, dtype, shape, numel, nbytes, bits, status, parts, layer, pattern, ref)   one row per
--    packed weight. shape and numel are those of the unpacked weight, nbytes is what all its parts take, and ref
--    dequantizes it; it is NULL if the weight cannot be unpacked
-- @table quantized_schemes(scheme, weights, not_whole, numel, nbytes, bits_per_weight)   one row per scheme; none is
--    that of weights that are not packed
-- @table not_whole(name, scheme, status, unpacks)   one row per weight of which something is missing or wrong. unpacks
--    is 1 if it can be unpacked all the same, such as where only a configuration differs
-- @table lonely_scales(scale, dtype, shape, pattern, status)   scales whose weight is missing
-- @table unknown_packed(name, dtype, shape, nbytes, pattern, status)   what looks packed in another way
-- @table quantized_errors(weight, scheme, layer, numel, n_diff, max_abs_diff, rel_l2, cosine, l2_base, l2_error,
--    not_finite, problem)   one row per packed weight, if there is a base. problem says why it is not compared, and
--    not_finite counts NaN and infinities, if the base has numbers there
-- @status 1                   when a weight is not whole or in doubt, a scale has no weight, the way in which something
--    is packed is not known, a file cannot be read, or a weight has NaN or infinities that the base does not have
-- @example safetensors-sql quantized model_directory
-- @example safetensors-sql quantized packed_directory --base model_directory

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL), base TEXT);
INSERT INTO parameters VALUES (:path, :base);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;
DROP TABLE IF EXISTS temp.quantized_files;
CREATE TEMP TABLE quantized_files AS SELECT file, status, error FROM safetensors_files(:path);

DROP TABLE IF EXISTS temp.quantized_base;
CREATE TEMP TABLE quantized_base(name TEXT PRIMARY KEY, shape TEXT, ref TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO quantized_base SELECT name, shape, ref FROM safetensors_weights(:base) WHERE role = 'weight';

-- If some files cannot be read, the others are read without them.
DROP TABLE IF EXISTS temp.quantized_setting;
CREATE TEMP TABLE quantized_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM quantized_files WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.quantized_weights;
CREATE TEMP TABLE quantized_weights AS
  SELECT name, scheme, dtype, shape, numel, nbytes, bits, status, role, parts, layer, pattern, ref
  FROM safetensors_weights(:path);
UPDATE quantized_setting SET errors = safetensors_config('errors', errors);

DROP TABLE IF EXISTS temp.quantized;
CREATE TEMP TABLE quantized AS
  SELECT name AS weight, scheme, dtype, shape, numel, nbytes, bits, status, parts, layer, pattern, ref
  FROM quantized_weights AS w WHERE role = 'weight' AND scheme NOT IN ('none', 'unknown') ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.not_whole;
CREATE TEMP TABLE not_whole AS
  SELECT name, scheme, status, ref IS NOT NULL AS unpacks, pattern, nbytes FROM quantized_weights AS w
  WHERE status <> 'ok' AND role <> 'scale' AND scheme <> 'unknown' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.lonely_scales;
CREATE TEMP TABLE lonely_scales AS
  SELECT name AS scale, dtype, shape, pattern, iif(status = 'ok', 'it has no weight', status) AS status FROM quantized_weights AS w WHERE role = 'scale' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.unknown_packed;
CREATE TEMP TABLE unknown_packed AS
  SELECT name, dtype, shape, nbytes, pattern, status FROM quantized_weights AS w
  WHERE scheme = 'unknown' AND role <> 'scale' ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.quantized_schemes;
CREATE TEMP TABLE quantized_schemes AS
  SELECT scheme, count(*) AS weights, sum(status <> 'ok') AS not_whole, sum(numel) AS numel, sum(nbytes) AS nbytes,
         8.0 * sum(iif(numel IS NULL, NULL, nbytes)) / nullif(sum(numel), 0) AS bits_per_weight
  FROM quantized_weights WHERE role = 'weight' GROUP BY scheme ORDER BY scheme = 'none', sum(nbytes) DESC, scheme;

-- A weight that is stored twice in the base is compared once.
DROP TABLE IF EXISTS temp.quantized_errors;
CREATE TEMP TABLE quantized_errors AS
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
UPDATE quantized_errors SET not_finite = s.n_nan + s.n_inf FROM tensor_stats(ref) AS s WHERE is_odd;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(compared CONSTRAINT ":base has a packed weight's name" CHECK (compared > 0));
INSERT INTO needs
  SELECT count(b.name) FROM quantized AS q LEFT JOIN quantized_base AS b ON b.name = q.weight
  HAVING count(*) > 0 AND :base IS NOT NULL;

-- What a configuration beside the files announces.
DROP TABLE IF EXISTS temp.quantization_config;
CREATE TEMP TABLE quantization_config(method);
INSERT INTO quantization_config
  SELECT DISTINCT coalesce(json_extract(config, '$.quantization_config.quant_method'),
                           json_extract(config, '$.quantization.mode'), 'quantization')
  FROM (SELECT CAST(readfile(directory || 'config.json') AS TEXT) AS config FROM (
          SELECT DISTINCT rtrim(file, replace(file, '/', '')) AS directory FROM quantized_files WHERE status = 'ok'))
  WHERE json_valid(config)
    AND coalesce(json_extract(config, '$.quantization_config'), json_extract(config, '$.quantization')) IS NOT NULL;

-- Shortens names to 48 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut. Patterns keep their beginning and end.
DROP TABLE IF EXISTS temp.quantized_labels;
CREATE TEMP TABLE quantized_labels(name TEXT PRIMARY KEY, pattern TEXT, label TEXT, pattern_label TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO quantized_labels
  SELECT name, pattern, name,
         iif(length(pattern) > 48, substr(pattern, 1, 20) || '...' || substr(pattern, -25), pattern)
  FROM (SELECT name, pattern FROM not_whole UNION ALL SELECT scale, pattern FROM lonely_scales
        UNION ALL SELECT name, pattern FROM unknown_packed UNION ALL SELECT weight, pattern FROM quantized_errors);
UPDATE quantized_labels SET label = (
  SELECT CASE WHEN length(begin || rest) <= 48 THEN begin || rest
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
        FROM (SELECT begin, rest, 48 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 41) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 41), '0123456789'),
                       substr(rest, length(begin) - 41)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 48;

.mode list
.headers off
SELECT l.value FROM (
  SELECT (SELECT count(*) FROM quantized_files) AS files,
         (SELECT count(*) FROM quantized_files WHERE status <> 'ok') AS bad_files,
         (SELECT count(*) FROM not_whole WHERE NOT unpacks) AS not_whole, (SELECT count(*) FROM not_whole WHERE unpacks) AS doubtful, (SELECT count(*) FROM lonely_scales) AS scales,
         (SELECT count(*) FROM unknown_packed) AS unknown, (SELECT count(*) FROM quantized) AS packed,
         (SELECT count(*) FROM quantized_errors WHERE not_finite > 0) AS odd,
         (SELECT count(*) FROM quantized_errors WHERE problem IS NOT NULL) AS not_compared,
         total(weights) AS weights, total(numel) AS numel, total(nbytes) AS nbytes,
         (SELECT group_concat(scheme, ', ') FROM quantized_schemes WHERE scheme NOT IN ('none', 'unknown')) AS schemes,
         8.0 * total(nbytes) FILTER (WHERE scheme NOT IN ('none', 'unknown'))
         / nullif(total(numel) FILTER (WHERE scheme NOT IN ('none', 'unknown')), 0) AS bits
  FROM quantized_schemes) AS n, json_each(json_array(
  iif(bad_files > 0, printf('error: %,d of %,d files cannot be read, and %s left out.', bad_files, files,
                            iif(bad_files = 1, 'is', 'are')), NULL),
  iif(not_whole > 0, printf('error: %,d weight%s not whole.', not_whole, iif(not_whole = 1, ' is', 's are')), NULL),
  iif(doubtful > 0, printf('error: %,d weight%s in doubt, but can be unpacked.', doubtful, iif(doubtful = 1, ' is', 's are')), NULL),
  iif(scales > 0, printf('error: %,d scale%s no weight.', scales, iif(scales = 1, ' has', 's have')), NULL),
  iif(unknown > 0, printf('error: %,d tensor%s packed in a way that is not known here.', unknown,
                          iif(unknown = 1, ' looks', 's look')), NULL),
  iif(odd > 0, printf('error: %,d packed weight%s NaN or infinities where the base has numbers.', odd,
                      iif(odd = 1, ' has', 's have')), NULL),
  iif(packed > 0,
      printf('%,d of %,d weights %s packed (%s), at %.2f bits each%s', packed, weights, iif(packed = 1, 'is', 'are'),
             iif(length(schemes) > 24, substr(schemes, 1, 21) || '...', schemes), bits,
             CASE WHEN bad_files + not_whole + doubtful + scales + unknown > 0 THEN '.'
                  WHEN packed = 1 THEN '; it is whole.' ELSE '; all are whole.' END),
      iif(unknown = 0, printf('None of %,d weights is packed.', weights), NULL)),
  iif(numel > 0, printf('In all %s parameters in %s: %.2f bits each.', safetensors_pretty(CAST(numel AS INTEGER)),
                        safetensors_pretty(CAST(nbytes AS INTEGER), 'B'), 8.0 * nbytes / numel), NULL),
  (SELECT printf('From the base they differ by %.3g of its norm: at most %.3g in one weight.',
                 sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0)), max(rel_l2))
   FROM quantized_errors WHERE problem IS NULL AND not_finite = 0 HAVING count(*) > 0),
  iif(not_compared > 0, printf('warning: %,d packed weight%s not compared with the base.', not_compared,
                               iif(not_compared = 1, ' is', 's are')), NULL),
  (SELECT printf('config.json announces a quantization, %s, but no weight is packed.', substr(group_concat(method, ', '), 1, 22))
   FROM quantization_config HAVING count(*) > 0 AND packed + unknown = 0)
)) AS l JOIN (SELECT 1) ON l.value IS NOT NULL;
.print

SELECT '== Files that cannot be read' FROM quantized_files WHERE status <> 'ok' LIMIT 1;
SELECT error FROM quantized_files WHERE status <> 'ok' LIMIT 20;
SELECT iif(count(*) > 20, printf('and %,d more' || char(10), count(*) - 20), '')
FROM quantized_files WHERE status <> 'ok' HAVING count(*) > 0;

-- What cannot be unpacked comes first. Names and what is said of them are on lines of their own.
SELECT '== Not whole, or in doubt' FROM not_whole LIMIT 1;
.mode column --wrap 78 --wordwrap on
SELECT iif(weights = 1, label, printf('%,d of %s', weights, pattern_label)) || ':' || char(10) || '  ' || status
FROM (SELECT count(*) AS weights, min(l.label) AS label, l.pattern_label, n.status, min(n.unpacks) AS unpacks,
             sum(n.nbytes) AS nbytes, min(n.rowid) AS place
      FROM not_whole AS n JOIN quantized_labels AS l USING (name) GROUP BY n.status, l.pattern_label)
ORDER BY unpacks, weights DESC, nbytes DESC, place LIMIT 20;
.mode list
SELECT printf('and %,d more kinds', count(*) - 20) FROM (SELECT DISTINCT status, pattern FROM not_whole) HAVING count(*) > 20;
SELECT '' FROM not_whole LIMIT 1;

SELECT '== Scales without weights' FROM lonely_scales LIMIT 1;
.mode column --wrap 78 --wordwrap on
SELECT iif(scales = 1, label, printf('%,d of %s', scales, pattern_label)) || ':' || char(10) || '  ' || status
FROM (SELECT count(*) AS scales, min(l.label) AS label, l.pattern_label, s.status, min(s.rowid) AS place
      FROM lonely_scales AS s JOIN quantized_labels AS l ON l.name = s.scale GROUP BY s.status, l.pattern_label)
ORDER BY scales DESC, place LIMIT 20;
.mode list
SELECT printf('and %,d more kinds', count(*) - 20) FROM (SELECT DISTINCT status, pattern FROM lonely_scales) HAVING count(*) > 20;
SELECT '' FROM lonely_scales LIMIT 1;

SELECT '== Packed in a way that is not known here' FROM unknown_packed LIMIT 1;
.mode column --wrap 78 --wordwrap on
SELECT iif(tensors = 1, label, printf('%,d of %s', tensors, pattern_label)) || ', ' || dtype || ':' || char(10) || '  ' || status
FROM (SELECT count(*) AS tensors, min(l.label) AS label, l.pattern_label, u.dtype, u.status, sum(u.nbytes) AS nbytes,
             min(u.rowid) AS place
      FROM unknown_packed AS u JOIN quantized_labels AS l USING (name) GROUP BY l.pattern_label, u.dtype, u.status)
ORDER BY tensors DESC, nbytes DESC, place LIMIT 20;
.mode list
SELECT printf('and %,d more kinds', count(*) - 20) FROM (SELECT DISTINCT status, pattern, dtype FROM unknown_packed)
HAVING count(*) > 20;
SELECT '' FROM unknown_packed LIMIT 1;

.print == Schemes
.mode column
.headers on
SELECT scheme, weights, not_whole, printf('%10s', ifnull(safetensors_pretty(numel), '-')) AS parameters,
       printf('%6s', iif(bits_per_weight IS NULL, '-', printf('%.2f', bits_per_weight))) AS "  bits",
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM quantized_schemes AS s ORDER BY s.rowid;
.mode list
.headers off
SELECT 'None: there are no weights.' WHERE NOT EXISTS (SELECT 1 FROM quantized_schemes);

SELECT char(10) || '== Not compared with the base' FROM quantized_errors WHERE problem IS NOT NULL LIMIT 1;
.mode column --wrap 78 --wordwrap on
.headers off
SELECT iif(weights = 1, label, printf('%,d of %s', weights, pattern_label)) || ':' || char(10) || '  ' || problem
FROM (SELECT count(*) AS weights, min(l.label) AS label, l.pattern_label, e.problem, min(e.rowid) AS place
      FROM quantized_errors AS e JOIN quantized_labels AS l ON l.name = e.weight
      WHERE e.problem IS NOT NULL GROUP BY l.pattern_label, e.problem)
ORDER BY weights DESC, place LIMIT 10;
.mode list
SELECT printf('and %,d more kinds', count(*) - 10)
FROM (SELECT DISTINCT problem, pattern FROM quantized_errors WHERE problem IS NOT NULL) HAVING count(*) > 10;

SELECT char(10) || '== Error by layer' FROM quantized_errors WHERE problem IS NULL LIMIT 1;
.mode column
.headers on
SELECT ifnull(layer, '-') AS layer, count(*) AS weights,
       CASE WHEN total(not_finite) > 0 THEN 'NaN'
            ELSE printf('%.3g', sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0))) END AS rel_l2,
       iif(total(not_finite) > 0, 'NaN', printf('%.3g', max(max_abs_diff))) AS max
FROM quantized_errors AS e WHERE problem IS NULL GROUP BY e.layer
ORDER BY total(not_finite) > 0 DESC, sqrt(total(l2_error * l2_error) / nullif(total(l2_base * l2_base), 0)) DESC, e.layer LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(DISTINCT ifnull(layer, '-')) - 20) FROM quantized_errors WHERE problem IS NULL
HAVING count(DISTINCT ifnull(layer, '-')) > 20;
SELECT char(10) || '== Twenty weights with the greatest error' FROM quantized_errors WHERE problem IS NULL LIMIT 1;
.mode column
.headers on
SELECT label AS name, iif(not_finite > 0, 'NaN', printf('%.3g', rel_l2)) AS rel_l2,
       iif(not_finite > 0, 'NaN', printf('%.3g', max_abs_diff)) AS max, iif(not_finite > 0, 'NaN', printf('%.6f', cosine)) AS cosine
FROM quantized_errors AS e JOIN quantized_labels AS l ON l.name = e.weight
WHERE problem IS NULL ORDER BY e.not_finite > 0 DESC, e.rel_l2 DESC, e.max_abs_diff DESC, e.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM quantized_errors WHERE problem IS NULL HAVING count(*) > 20;
.mode column
.headers on

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(files, not_whole, scales, unknown, odd);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a file of the model cannot be read') WHERE new.files > 0;
  SELECT RAISE(ABORT, 'a weight is not whole, or in doubt') WHERE new.not_whole > 0;
  SELECT RAISE(ABORT, 'a scale has no weight') WHERE new.scales > 0;
  SELECT RAISE(ABORT, 'something is packed in a way that is not known here') WHERE new.unknown > 0;
  SELECT RAISE(ABORT, 'a packed weight has NaN or infinities that the base does not have') WHERE new.odd > 0;
END;
INSERT INTO verdict
  SELECT (SELECT count(*) FROM quantized_files WHERE status <> 'ok'), (SELECT count(*) FROM not_whole),
         (SELECT count(*) FROM lonely_scales), (SELECT count(*) FROM unknown_packed),
         (SELECT count(*) FROM quantized_errors WHERE not_finite > 0);
