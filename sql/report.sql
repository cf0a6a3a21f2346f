-- What does it look like, on one HTML page?
--
-- Writes a page about one model, or about what has changed since the base that it was made from. The page is one file
-- with a light and a dark theme, for any width down to that of a phone; it runs no scripts and asks nothing of the
-- network.
--
-- It begins with the verdict in words and with what was found, the worst first; NaNs and infinities are errors, with a
-- base only those that the base does not have. Then come what is new, gone or of another shape, and a map of the
-- change, layer by module; and a map of the norms, each beside those of the same module in the other layers. Packed
-- weights count as what they stand for. Whatever the model, the page stays under 300 kB, and says what it leaves out.
--
-- The script reads all bytes once; those that have a counterpart in the base once more, beside it; and of eight
-- tensors a million values, for their distributions. A folder of adapters is for `loras --page`, the checkpoints of
-- a run are for `run --page`.
--
-- @param path path required   the model
-- @param base path            the model that it was made from, to show what has changed since
-- @param format enum text|json|csv   the page, or the tables behind it
-- @table report(title, kind, verdict, status, tensors, parameters, nbytes, layers, files)   one row: what it is, and
--    the verdict, whose status is error, warning or ok
-- @table report_findings(severity, code, count, tensor, message)   one row per kind of finding, the worst first,
--    with how many there are and the first of them
-- @table report_changes(name, status, from_dtype, to_dtype, from_shape, to_shape, n_diff, max_abs_diff, rel_l2,
--    cosine, new_nan, new_inf)   one row per weight of the two; without a base none
-- @table report_tensors(name, scheme, dtype, shape, numel, nbytes, layer, n_nan, n_inf, n_zero, min, max, mean,
--    std, l2, rms, deviation)   one row per weight; deviation is its root mean square by the median of its peers
-- @status 1                   when a file of the model cannot be read
-- @prints html
-- @example safetensors-sql report tune.safetensors --base base.safetensors --output report.html

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL), base TEXT,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :base, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':base', ':format');

.mode list
.headers off

-- ---- What is there ----

-- Of a directory that has models below it the one that is in it itself; else there must be only one.
DROP TABLE IF EXISTS temp.report_found_models;
CREATE TEMP TABLE report_found_models AS
SELECT model, config, kind, rtrim(model, '/') = given OR rtrim(rtrim(model, replace(model, '/', '')), '/') = given AS here,
       row_number() OVER (ORDER BY rtrim(model, '/') = given OR rtrim(rtrim(model, replace(model, '/', '')), '/') = given DESC) AS n
FROM (SELECT path, rtrim(path, '/') AS given FROM parameters WHERE typeof(path) <> 'blob') AS p JOIN safetensors_models(p.path);
SELECT safetensors_refuse(printf('%s has %,d models (%s, ...): name one, or see loras --page and run --page', safetensors_label(:path), count(*),
                                 safetensors_label(min(model))))
FROM report_found_models HAVING count(*) > 1 AND sum(here) <> 1;
UPDATE parameters SET path = model FROM report_found_models WHERE n = 1;

-- If no file can be read, this raises the error and ends the script.
DROP TABLE IF EXISTS temp.report_files;
CREATE TEMP TABLE report_files AS
SELECT file, status, total(status = 'ok') OVER () AS ok, count(*) OVER () AS files FROM parameters AS p JOIN safetensors_files(p.path);
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(tensors INTEGER CONSTRAINT "there is a tensor under :path" CHECK (tensors > 0));
INSERT INTO needs
SELECT count(*) FROM report_files AS f JOIN parameters AS p JOIN safetensors_tensors(iif(f.status = 'ok' OR f.ok = 0, ifnull(f.file, p.path), NULL));

-- One row per weight as its module sees it. A family is what stands before the layer's number, a label what follows it.
-- A tensor that is the same bytes as another one of its file is not read again.
DROP TABLE IF EXISTS temp.report_weights;
CREATE TEMP TABLE report_weights(
  position INTEGER PRIMARY KEY, name, scheme, dtype, shape, numel, nbytes, role, copy_of, status, layer, pattern, ref,
  n_nan, n_inf, n_zero, min, max, mean, std, l2,
  bare AS (CASE WHEN pattern LIKE '%_.weight' THEN substr(pattern, 1, length(pattern) - 7)
                WHEN pattern LIKE '%_.bias' THEN substr(pattern, 1, length(pattern) - 5) ELSE pattern END),
  family AS (iif(layer IS NULL, NULL, rtrim(substr(pattern, 1, instr(pattern, '#') - 1), '.'))),
  label AS (iif(layer IS NULL OR substr(bare, instr(bare, '#') + 2) = '', bare, substr(bare, instr(bare, '#') + 2))),
  rms AS (iif(role IN ('weight', 'buffer'), l2 / sqrt(nullif(numel - n_nan - n_inf, 0)), NULL)),
  deviation REAL
);
INSERT INTO report_weights
SELECT row_number() OVER (), w.name, w.scheme, w.dtype, w.shape, w.numel, w.nbytes, w.role, w.copy_of, w.status, w.layer, w.pattern,
       w.ref, s.n_nan, s.n_inf, s.n_zero, s.min, s.max, s.mean, s.std, s.l2, NULL
FROM (SELECT DISTINCT iif(ok = files, path, file) AS file FROM report_files, parameters WHERE status = 'ok') AS f
JOIN safetensors_weights(f.file) AS w LEFT JOIN tensor_stats(iif(w.copy_of IS NULL, w.ref, NULL)) AS s;
CREATE INDEX temp.report_weights_name ON report_weights(name);

-- A norm beside those of its peers: the root mean square, divided by the median of the tensors of its pattern.
DROP TABLE IF EXISTS temp.report_medians;
CREATE TEMP TABLE report_medians(pattern PRIMARY KEY, median) WITHOUT ROWID;
INSERT INTO report_medians
SELECT pattern, avg(rms)
FROM (SELECT pattern, rms, row_number() OVER (PARTITION BY pattern ORDER BY rms) AS n, count(*) OVER (PARTITION BY pattern) AS peers
      FROM report_weights WHERE rms IS NOT NULL AND layer IS NOT NULL)
WHERE peers >= 3 AND n IN ((peers + 1) / 2, peers / 2 + 1) GROUP BY pattern;
UPDATE report_weights SET deviation = rms / nullif(m.median, 0) FROM report_medians AS m WHERE m.pattern = report_weights.pattern;

-- ---- What has changed since :base ----

-- A weight that has got more or fewer rows is compared over those that both have.
DROP TABLE IF EXISTS temp.report_base;
CREATE TEMP TABLE report_base AS
SELECT name, scheme, dtype, shape, numel, layer, pattern, ref FROM parameters AS p JOIN safetensors_weights(p.base)
WHERE p.base IS NOT NULL AND role IN ('weight', 'buffer');
CREATE INDEX temp.report_base_name ON report_base(name);
DROP TABLE IF EXISTS temp.report_pairs;
CREATE TEMP TABLE report_pairs AS
SELECT b.position, a.name AS name_a, b.name AS name_b, a.ref AS whole_a, a.shape = b.shape AS alike, rows,
       CASE WHEN a.shape = b.shape THEN a.ref WHEN rows > 0 THEN tensor_slice(a.ref, '0:' || rows) END AS ref_a,
       CASE WHEN a.shape = b.shape THEN b.ref WHEN rows > 0 THEN tensor_slice(b.ref, '0:' || rows) END AS ref_b,
       iif(a.scheme = 'none', '', a.scheme || ' ') || a.dtype AS dtype_a,
       iif(b.scheme = 'none', '', b.scheme || ' ') || b.dtype AS dtype_b, a.shape AS shape_a, b.shape AS shape_b
FROM (SELECT a.rowid AS a, b.position AS b,
             iif(json_array_length(a.shape) = json_array_length(b.shape) AND json_remove(a.shape, '$[0]') = json_remove(b.shape, '$[0]'),
                 min(a.shape ->> 0, b.shape ->> 0), NULL) AS rows
      FROM report_base AS a JOIN report_weights AS b USING (name)) AS p
JOIN report_base AS a ON a.rowid = p.a JOIN report_weights AS b ON b.position = p.b;

DROP TABLE IF EXISTS temp.report_compared;
CREATE TEMP TABLE report_compared AS
SELECT p.position, p.name_b AS name,
       CASE WHEN NOT alike THEN 'reshaped' WHEN dtype_a <> dtype_b THEN 'retyped' WHEN c.n_diff = 0 THEN 'same'
            WHEN c.n_diff > 0 THEN 'changed' ELSE 'unknown' END AS status,
       dtype_a, dtype_b, shape_a, shape_b, whole_a, ref_a, ref_b, c.n_diff, tensor_numel(ref_b) AS compared, c.max_abs_diff, c.rel_l2, c.cosine,
       c.l2_a, c.l2_diff, c.n_nan AS both_nan, 0 AS new_nan, 0 AS new_inf, w.layer, w.family, w.label
FROM report_pairs AS p JOIN report_weights AS w USING (position) LEFT JOIN tensor_compare(p.ref_a, p.ref_b) AS c;
INSERT INTO report_compared(position, name, status, dtype_b, shape_b, new_nan, new_inf, layer, family, label)
SELECT position, name, 'new', iif(scheme = 'none', '', scheme || ' ') || dtype, shape, n_nan, n_inf, layer, family, label
FROM report_weights
WHERE :base IS NOT NULL AND role IN ('weight', 'buffer') AND name NOT IN (SELECT name FROM report_base);
INSERT INTO report_compared(name, status, dtype_a, shape_a, layer, family, label)
SELECT name, 'gone', iif(scheme = 'none', '', scheme || ' ') || dtype, shape, layer,
       iif(layer IS NULL, NULL, rtrim(substr(pattern, 1, instr(pattern, '#') - 1), '.')),
       iif(layer IS NULL OR substr(bare, instr(bare, '#') + 2) = '', bare, substr(bare, instr(bare, '#') + 2))
FROM (SELECT *, CASE WHEN pattern LIKE '%_.weight' THEN substr(pattern, 1, length(pattern) - 7)
                     WHEN pattern LIKE '%_.bias' THEN substr(pattern, 1, length(pattern) - 5) ELSE pattern END AS bare
      FROM report_base)
WHERE name NOT IN (SELECT name FROM report_weights);

-- NaNs and infinities that the base does not have in the same place.
UPDATE report_compared
SET new_nan = w.n_nan - coalesce(both_nan, (SELECT min(n_nan, w.n_nan) FROM tensor_stats(whole_a)), 0),
    new_inf = iif(w.n_inf = 0, 0, w.n_inf - ifnull(
      iif(ref_a IS NULL OR w.dtype = 'C64',
          (SELECT min(n_inf, w.n_inf) FROM tensor_stats(whole_a)),
          (SELECT CAST(round(l2 * l2) AS INTEGER)
           FROM tensor_stats(tensor_minimum(tensor_equals(tensor_abs(ref_a), 9e999), tensor_equals(tensor_abs(ref_b), 9e999))))), 0))
FROM report_weights AS w
WHERE w.position = report_compared.position AND w.n_nan + w.n_inf > 0 AND report_compared.status <> 'new';

-- ---- What is wrong ----

DROP TABLE IF EXISTS temp.report_found;
CREATE TEMP TABLE report_found(severity, code, tensor, message, amount);
INSERT INTO report_found
SELECT severity, code, tensor,
       iif(files > 1 AND file IS NOT NULL, substr(file, length(rtrim(file, replace(file, '/', ''))) + 1) || ': ', '') || message, 0
FROM (SELECT count(*) AS files FROM report_files) JOIN parameters AS p JOIN safetensors_check(p.path)
UNION ALL
SELECT 'warning', 'packed-weight', name, status, 0 FROM report_weights WHERE status <> 'ok'
UNION ALL
SELECT 'advice', 'all-zero', name, printf('all %,d elements are 0', numel), 0 FROM report_weights WHERE n_zero = numel AND numel > 1;
WITH counted AS (
  SELECT w.name, w.numel, c.name IS NOT NULL AS based, 'nan' AS what, w.n_nan AS n, ifnull(c.new_nan, w.n_nan) AS fresh
  FROM report_weights AS w LEFT JOIN report_compared AS c USING (position)
  UNION ALL
  SELECT w.name, w.numel, c.name IS NOT NULL, 'infinite', w.n_inf, ifnull(c.new_inf, w.n_inf)
  FROM report_weights AS w LEFT JOIN report_compared AS c USING (position)
),
parted AS (
  SELECT name, numel, based, what, fresh AS n, 0 AS old FROM counted
  UNION ALL SELECT name, numel, based, what, n - fresh, 1 FROM counted
)
INSERT INTO report_found
SELECT iif(old, 'warning', 'error'), iif(based AND NOT old, 'new-', '') || what, name,
       printf('%,d of %,d elements %s %s', n, numel, iif(n = 1, 'is', 'are'), iif(what = 'nan', 'NaN', what)) ||
       CASE WHEN old THEN ', as in the base' WHEN based THEN ', and not in the base' ELSE '' END, n
FROM parted WHERE n > 0;

-- Values come before the form of the files, then the most frequent.
DROP TABLE IF EXISTS temp.report_ranked;
CREATE TEMP TABLE report_ranked AS
SELECT *, row_number() OVER (PARTITION BY severity, code ORDER BY amount DESC, place) AS n,
       count(*) OVER (PARTITION BY severity, code) AS of,
       instr('error warning advice', severity) * 100 + ifnull(nullif(instr('new-nan new-infinite nan infinite', code), 0), 99) AS rank
FROM (SELECT *, rowid AS place FROM report_found) ORDER BY rank, code, n;
CREATE TEMP VIEW IF NOT EXISTS report_findings AS
SELECT severity, code, of AS count, tensor, message FROM report_ranked WHERE n = 1 ORDER BY rank, code;

-- ---- The verdict ----

-- The layers in which something is: 2-3, 7; of each family by its name if there are several.
DROP TABLE IF EXISTS temp.report_spans;
CREATE TEMP TABLE report_spans AS
WITH found(what, family, layer) AS (
  SELECT DISTINCT 'odd', w.family, w.layer FROM report_found AS f JOIN report_weights AS w ON w.name = f.tensor
  WHERE f.code LIKE '%nan' OR f.code LIKE '%infinite'
  UNION SELECT DISTINCT 'changed', family, layer FROM report_compared WHERE n_diff > 0
),
islands AS (
  SELECT *, layer - row_number() OVER (PARTITION BY what, family ORDER BY layer) AS island FROM found WHERE layer IS NOT NULL
),
spans AS (
  SELECT what, family, min(layer) AS first, iif(max(layer) > min(layer), min(layer) || '-' || max(layer), min(layer)) AS span
  FROM islands GROUP BY what, family, island
)
SELECT what, group_concat(iif(many, family || ' ', '') || spans, '; ') AS layers
FROM (SELECT DISTINCT what, family, group_concat(span, ', ') OVER (
               PARTITION BY what, family ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS spans,
             (SELECT count(DISTINCT family) > 1 FROM report_weights) AS many FROM spans)
GROUP BY what;

DROP TABLE IF EXISTS temp.report_said;
CREATE TEMP TABLE report_said(status, sentence);
INSERT INTO report_said
SELECT 'error', printf('%,d of %,d files cannot be read.', files - ok, files) FROM report_files WHERE ok < files LIMIT 1;
INSERT INTO report_said
SELECT 'error', printf('%,d %s NaN or infinities%s, the most in %s.', n, iif(n = 1, 'weight has', 'weights have'),
                       iif(:base IS NULL, '', ' that the base does not have'), safetensors_label(first))
FROM (SELECT count(DISTINCT tensor) AS n, (SELECT tensor FROM report_ranked ORDER BY rank, code, n LIMIT 1) AS first
      FROM report_ranked WHERE severity = 'error' AND code IN ('nan', 'new-nan', 'infinite', 'new-infinite'))
WHERE n > 0;
INSERT INTO report_said
SELECT 'error', printf('The files have %,d error%s: %s.', sum(of), iif(sum(of) = 1, '', 's'), group_concat(code, ', '))
FROM report_ranked WHERE n = 1 AND severity = 'error' AND code NOT IN ('nan', 'new-nan', 'infinite', 'new-infinite') HAVING count(*) > 0;
INSERT INTO report_said
SELECT 'warning', printf('No weight of the base has a name that is here: these are different models.') FROM parameters
WHERE base IS NOT NULL AND NOT EXISTS (SELECT 1 FROM report_compared WHERE status NOT IN ('new', 'gone'));
INSERT INTO report_said
SELECT 'warning', group_concat(text, '; ') || '.'
FROM (SELECT iif(count(*) < 3, group_concat(safetensors_label(name), ' and ') || iif(count(*) = 1, ' is ', ' are '), printf('%,d weights are ', count(*))) ||
             CASE status WHEN 'reshaped' THEN 'of another shape' || iif(count(*) = 1, ' (' || shape_a || ' to ' || shape_b || ')', '')
                         ELSE status END AS text
      FROM report_compared WHERE status IN ('new', 'gone', 'reshaped')
      GROUP BY status ORDER BY instr('reshaped gone new', status))
HAVING count(*) > 0 AND EXISTS (SELECT 1 FROM report_compared WHERE status NOT IN ('new', 'gone'));
INSERT INTO report_said
SELECT 'ok', CASE WHEN differ = 0 THEN printf('All %,d weights that both have are equal.', n)
                  ELSE printf('%,d of %,d weights have other values', differ, n) ||
                       iif(layers IS NULL, '', iif(outside, ', in ', ', all in ') || CASE WHEN layers GLOB '*[^0-9, -]*' THEN layers WHEN layers GLOB '*[^0-9]*' THEN 'layers ' || layers
                                                            ELSE 'layer ' || layers END || iif(outside, ' and outside of layers', '')) ||
                       iif(most IS NULL, '', printf('; the greatest change is %.*f%% of the weight''s norm', iif(most < 0.0995, 1, 0), 100 * most)) || '.' END ||
             iif(unknown = 0, '', printf(' %,d cannot be compared.', unknown))
FROM (SELECT count(*) AS n, total(n_diff > 0) AS differ, max(iif(n_diff > 0 AND layer IS NULL, 1, 0)) AS outside, total(status = 'unknown') AS unknown,
             max(iif(rel_l2 < 9e999, rel_l2, NULL)) AS most
      FROM report_compared WHERE status NOT IN ('new', 'gone')) LEFT JOIN report_spans ON what = 'changed'
WHERE n > 0;
INSERT INTO report_said
SELECT 'ok', printf('%,d %s stored in another dtype%s.', count(*), iif(count(*) = 1, 'is', 'are'),
                    iif(count(DISTINCT dtype_a || ' to ' || dtype_b) = 1, ' (' || min(dtype_a || ' to ' || dtype_b) || ')', '')) FROM report_compared
WHERE dtype_a <> dtype_b HAVING count(*) > 0;
INSERT INTO report_said
SELECT 'ok', iif(:base IS NULL, 'All files load, and all values are finite.', 'All values are finite.')
WHERE NOT EXISTS (SELECT 1 FROM report_said WHERE status = 'error') AND NOT EXISTS (SELECT 1 FROM report_weights WHERE n_nan + n_inf > 0);
INSERT INTO report_said
SELECT 'warning', printf('%,d warning%s.', sum(of), iif(sum(of) = 1, '', 's')) FROM report_ranked WHERE n = 1 AND severity = 'warning'
HAVING count(*) > 0;

-- ---- What it is ----

DROP TABLE IF EXISTS temp.report_metadata;
CREATE TEMP TABLE report_metadata AS
SELECT key, value FROM report_files AS f JOIN parameters AS p JOIN safetensors_metadata(ifnull(f.file, p.path)) WHERE f.status = 'ok' GROUP BY key, value;

-- Its name is what its maker called it, else that of the repository, of the file, or of its directory.
DROP TABLE IF EXISTS temp.report_model;
CREATE TEMP TABLE report_model AS
WITH given(path) AS (SELECT rtrim(iif(typeof(path) = 'blob', 'a BLOB', replace(path, '\', '/')), '/') FROM parameters),
folder(path) AS (  -- a file that is named as they all are is known by its directory
  SELECT CASE WHEN above <> '' AND (last GLOB 'model*.safetensors*' OR last GLOB 'adapter_model*' OR last GLOB 'diffusion_pytorch_model*')
              THEN above ELSE path END
  FROM (SELECT path, rtrim(rtrim(path, replace(path, '/', '')), '/') AS above, substr(path, length(rtrim(path, replace(path, '/', ''))) + 1) AS last FROM given)
),
named(name) AS (
  SELECT CASE
    WHEN path LIKE 'hf://%' THEN substr(path, 6)
    WHEN path LIKE '%models--%' THEN replace(substr(path, instr(path, 'models--') + 8, instr(substr(path, instr(path, 'models--') + 8) || '/', '/') - 1), '--', '/')
    WHEN last GLOB 'checkpoint-[0-9]*' THEN substr(above, length(rtrim(above, replace(above, '/', ''))) + 1) || '/' || last
    ELSE replace(last, '.safetensors', '') END
  FROM (SELECT path, rtrim(rtrim(path, replace(path, '/', '')), '/') AS above, substr(path, length(rtrim(path, replace(path, '/', ''))) + 1) AS last FROM folder)
),
counted AS (
  SELECT sum(numel) FILTER (WHERE role = 'weight' AND copy_of IS NULL) AS parameters, sum(nbytes) FILTER (WHERE copy_of IS NULL) AS nbytes,
         count(DISTINCT family || ' ' || layer) AS layers, count(*) AS tensors FROM report_weights
),
adapted AS (
  SELECT CASE kind WHEN 'lora' THEN 'LoRA' WHEN 'dora' THEN 'DoRA' WHEN 'loha' THEN 'LoHa' WHEN 'lokr' THEN 'LoKr' ELSE upper(kind) END AS kind,
         count(*) AS modules, min(rank) AS low, max(rank) AS high FROM report_files AS f JOIN parameters AS p JOIN safetensors_adapter(ifnull(f.file, p.path))
  WHERE f.status = 'ok' AND kind NOT IN ('full', 'unknown') GROUP BY kind ORDER BY count(*) DESC LIMIT 1
)
SELECT coalesce((SELECT value FROM report_metadata WHERE key IN ('modelspec.title', 'ss_output_name', 'general.name') AND trim(value) <> '' ORDER BY key LIMIT 1),
                name) AS title,
       coalesce(
         (SELECT printf('%s of %,d module%s', kind, modules, iif(modules = 1, '', 's')) ||
                 iif(low IS NULL, '', ', rank ' || low || iif(high > low, '-' || high, '')) FROM adapted) ||
           ifnull(', for ' || (config ->> '$.base_model_name_or_path'), ''),
         ifnull(config ->> '$.architectures[0]', config ->> '$._class_name') || ifnull(', width ' || (config ->> '$.hidden_size'), '') ||
           ifnull(', vocabulary ' || (config ->> '$.vocab_size'), ''),
         (SELECT value FROM report_metadata WHERE key IN ('modelspec.architecture', 'model_type') ORDER BY key LIMIT 1),
         printf('a model of %,d weights', tensors)) || iif(layers = 0, '', printf(', %,d layer%s', layers, iif(layers = 1, '', 's'))) AS kind,
       tensors, parameters, nbytes, layers
FROM named, counted, (SELECT ifnull((SELECT config FROM report_found_models WHERE n = 1 AND json_valid(config)), '{}') AS config);

DROP VIEW IF EXISTS temp.report;
CREATE TEMP VIEW report AS
SELECT title, kind, (SELECT group_concat(sentence, ' ') FROM report_said) AS verdict,
       CASE WHEN EXISTS (SELECT 1 FROM report_said WHERE status = 'error') THEN 'error'
            WHEN EXISTS (SELECT 1 FROM report_said WHERE status = 'warning') THEN 'warning' ELSE 'ok' END AS status,
       tensors, parameters, nbytes, layers, (SELECT count(*) FROM report_files) AS files
FROM report_model;
CREATE TEMP VIEW IF NOT EXISTS report_changes AS
SELECT name, status, dtype_a AS from_dtype, dtype_b AS to_dtype, shape_a AS from_shape, shape_b AS to_shape, n_diff, max_abs_diff, rel_l2,
       cosine, new_nan, new_inf
FROM report_compared ORDER BY new_nan + new_inf > 0 DESC, instr('reshaped gone new unknown', status) = 0, rel_l2 DESC, name;
CREATE TEMP VIEW IF NOT EXISTS report_tensors AS
SELECT name, scheme, dtype, shape, numel, nbytes, layer, n_nan, n_inf, n_zero, min, max, mean, std, l2, rms, deviation FROM report_weights;
SELECT safetensors_print(format, 'report', 'report_findings', 'report_changes', 'report_tensors') FROM parameters WHERE format <> 'text';

-- ---- The page ----

-- The page's lines. Those of a list are printed as far as they are not too many: `most` lines, and no more than `room`
-- bytes. A line with a `rest` stands behind a list, says how many lines were left out, and is printed if there are any.
DROP TABLE IF EXISTS temp.report_page;
CREATE TEMP TABLE report_page(place INTEGER PRIMARY KEY, html TEXT, list TEXT, rest TEXT);
DROP TABLE IF EXISTS temp.report_lists;
CREATE TEMP TABLE report_lists(list TEXT PRIMARY KEY, most INTEGER, room INTEGER) WITHOUT ROWID;
INSERT INTO report_lists VALUES
('findings', 60, 25000), ('structure', 40, 15000), ('change map', 400, 50000), ('outside', 30, 10000), ('changes', 30, 15000),
('norm map', 400, 50000), ('modules', 30, 15000), ('treemap', 60, 15000), ('dtypes', 30, 4000), ('distributions', 8, 20000), ('metadata', 40, 20000);

INSERT INTO report_page(html) SELECT safetensors_page(title) FROM report;
INSERT INTO report_page(html)
SELECT printf('<header><h1>%s</h1>
<p class="soft">%s</p>
<p class="note"><code>%s</code>%s</p></header>
<div class="verdict %s"><b>%s</b>', safetensors_html(title), safetensors_html(kind), safetensors_html(iif(typeof(a.path) = 'blob', 'a BLOB', a.path)),
              ' compared with <code>' || safetensors_html(iif(typeof(base) = 'blob', 'a BLOB', base)) || '</code>', status,
              CASE status WHEN 'error' THEN '&#10005; Something is wrong' WHEN 'warning' THEN '! Look at this' ELSE '&#10003; Nothing is wrong' END)
FROM report, parameters AS a;
INSERT INTO report_page(html) SELECT printf('<span>%s</span>', safetensors_html(sentence)) FROM report_said ORDER BY rowid;
INSERT INTO report_page(html) VALUES ('</div><div class="facts">');
WITH facts(value, what) AS (
  SELECT safetensors_pretty(parameters), iif(parameters = 1, 'parameter', 'parameters') FROM report
  UNION ALL SELECT safetensors_pretty(nbytes, 'B'), iif(files = 1, 'in 1 file', printf('in %,d files', files)) FROM report
  UNION ALL SELECT printf('%,d', tensors), iif(tensors = 1, 'weight', 'weights') FROM report
  UNION ALL SELECT printf('%,d', layers), iif(layers = 1, 'layer', 'layers') FROM report WHERE layers > 0
  UNION ALL SELECT printf('%.3g', 8.0 * sum(nbytes) / sum(numel)), 'bits each' FROM report_weights WHERE copy_of IS NULL HAVING sum(numel) > 0
)
INSERT INTO report_page(html) SELECT printf('<div><b>%s</b><small>%s</small></div>', value, what) FROM facts;
INSERT INTO report_page(html) VALUES ('</div>');

-- Findings: each kind once, with how many there are and the first few.
INSERT INTO report_page(html)
SELECT '<h2>Findings</h2>' WHERE EXISTS (SELECT 1 FROM report_ranked);
INSERT INTO report_page(html, list)
SELECT printf('<p class="%s"><b>%s: %s</b>%s</p><ul>', severity, severity, code, iif(of = 1, '', printf(' %,d times', of))) || items ||
       iif(of > 5, printf('<li class="soft">and %,d more</li>', of - 5), '') || '</ul>', 'findings'
FROM (SELECT *, group_concat(printf('<li>%s%s</li>', '<code>' || safetensors_html(tensor) || '</code>: ', safetensors_html(message)), '') OVER (
                  PARTITION BY severity, code ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS items
      FROM report_ranked WHERE n <= 5)
WHERE n = 1 ORDER BY rank, code;
INSERT INTO report_page(rest, list) VALUES ('<p class="soft">%,d more kinds are left out.</p>', 'findings');

-- What is new, gone or of another shape; before any number.
INSERT INTO report_page(html)
SELECT printf('<h2>Structure</h2><p class="note">%s</p>', group_concat(printf('%,d %s', n, text), ', ')) || '<table class="list"><thead><tr><th>weight</th><th>change</th><th>base</th><th>here</th></tr></thead><tbody>'
FROM (SELECT count(*) AS n, CASE status WHEN 'reshaped' THEN 'of another shape' WHEN 'unknown' THEN 'not compared' ELSE status END AS text
      FROM report_compared WHERE status IN ('reshaped', 'gone', 'new', 'unknown') GROUP BY status ORDER BY instr('reshaped gone new unknown', status))
HAVING count(*) > 0;
INSERT INTO report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td>%s</td><td%s>%s</td><td%s>%s</td></tr>', safetensors_html(name),
              CASE status WHEN 'reshaped' THEN 'other shape' || CASE WHEN n_diff = 0 THEN ', common rows equal' WHEN n_diff > 0 THEN ', common rows differ' ELSE '' END
                          WHEN 'unknown' THEN 'not compared' ELSE status END,
              iif(dtype_a IS NULL, '', ' data-is="base"'), dtype_a || ' ' || replace(shape_a, ',', ', '),
              iif(dtype_b IS NULL, '', ' data-is="here"'), dtype_b || ' ' || replace(shape_b, ',', ', ')), 'structure'
FROM report_compared WHERE status IN ('reshaped', 'gone', 'new', 'unknown') ORDER BY instr('reshaped gone new unknown', status), name;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="4">and %,d more</td></tr>', 'structure');
INSERT INTO report_page(html)
SELECT '</tbody></table>' WHERE EXISTS (SELECT 1 FROM report_compared WHERE status IN ('reshaped', 'gone', 'new', 'unknown'));

-- ---- The maps: a cell per layer and module ----

DROP TABLE IF EXISTS temp.report_cells;
CREATE TEMP TABLE report_cells(map, family, module, place, layer, class, text);
WITH parts AS (
  SELECT family, label, ifnull(position, 1e9) AS place, layer, status, n_diff, l2_a, l2_diff, new_nan, new_inf FROM report_compared WHERE layer IS NOT NULL
  UNION ALL SELECT family, 'whole layer', -1, layer, status, n_diff, l2_a, l2_diff, new_nan, new_inf FROM report_compared WHERE layer IS NOT NULL
),
cells AS (
  SELECT family, label, min(place) AS place, layer, total(new_nan) AS nans, total(new_inf) AS infs, total(n_diff) AS differ,
         iif(min(place) < 0, 'same', max(iif(status IN ('gone', 'new', 'reshaped', 'unknown'), status, ''))) AS status,
         100 * sqrt(sum(l2_diff * l2_diff) / nullif(sum(iif(l2_diff IS NULL, NULL, l2_a * l2_a)), 0)) AS percent
  FROM parts GROUP BY family, label, layer
)
INSERT INTO report_cells
SELECT 'change', family, label, place, layer,
       CASE WHEN nans + infs > 0 THEN 'bad' WHEN status IN ('gone', 'new', 'reshaped', 'unknown') THEN 'odd' WHEN differ = 0 THEN 'h0'
            WHEN percent < 0.01 THEN 'h1' WHEN percent < 0.1 THEN 'h2' WHEN percent < 1 THEN 'h3' WHEN percent < 3 THEN 'h4'
            WHEN percent < 10 THEN 'h5' WHEN percent < 30 THEN 'h6' WHEN percent < 100 THEN 'h7' ELSE 'h8' END,
       CASE WHEN nans > 0 THEN 'NaN' WHEN infs > 0 THEN 'inf' WHEN status IN ('gone', 'new') THEN status WHEN status = 'reshaped' THEN 'size'
            WHEN status = 'unknown' THEN '?' WHEN differ = 0 THEN '=' WHEN percent IS NULL THEN 'all' WHEN percent < 0.01 THEN '&lt;.01'
            WHEN percent < 0.095 THEN ltrim(printf('%.2f', percent), '0') WHEN percent < 0.95 THEN ltrim(printf('%.1f', percent), '0')
            WHEN percent < 9.95 THEN printf('%.1f', percent) WHEN percent < 999 THEN printf('%.0f', percent) ELSE '&gt;999' END
FROM cells;

WITH peers AS (
  SELECT family, label, position, layer, n_nan, n_inf, deviation, max(deviation, ifnull(1 / nullif(deviation, 0), 9e999)) AS times
  FROM report_weights WHERE layer IS NOT NULL AND (rms IS NOT NULL OR n_nan + n_inf > 0)
),
cells AS (
  SELECT *, min(position) OVER cell AS place, sum(n_nan) OVER cell AS nans, sum(n_inf) OVER cell AS infs,
         row_number() OVER (PARTITION BY family, label, layer ORDER BY times DESC) AS nth
  FROM peers WINDOW cell AS (PARTITION BY family, label, layer)
)
INSERT INTO report_cells
SELECT 'norm', family, label, place, layer,
       CASE WHEN nans + infs > 0 THEN 'bad' WHEN times IS NULL OR times < 1.1 THEN 'h0'
            ELSE iif(deviation > 1, 'p', 'n') || CASE WHEN times < 1.25 THEN 1 WHEN times < 1.6 THEN 2 WHEN times < 2.5 THEN 3 ELSE 4 END END,
       CASE WHEN nans > 0 THEN 'NaN' WHEN infs > 0 THEN 'inf' WHEN times IS NULL THEN '' WHEN times = 9e999 THEN 'zero'
            WHEN times >= 100 THEN iif(deviation > 1, '&gt;&times;99', '&lt;&divide;99') WHEN deviation >= 2 THEN printf('&times;%.2g', deviation)
            WHEN deviation <= 0.5 THEN printf('&divide;%.2g', times) WHEN times < 1.005 THEN '0'
            ELSE replace(printf('%+.0f', 100 * deviation - 100), '-', '&minus;') END
FROM cells WHERE nth = 1;
DELETE FROM report_cells
WHERE map = 'norm' AND family NOT IN (SELECT family FROM report_weights WHERE family IS NOT NULL AND deviation IS NOT NULL);

-- Modules go across and layers down, or the other way round where there are many modules, or they have long names; in
-- panels that fit a phone, at most 4 panels and 2,500 cells a map.
DROP TABLE IF EXISTS temp.report_placed;
CREATE TEMP TABLE report_placed AS
WITH sized AS (
  SELECT map, family, count(*) AS cells, count(DISTINCT module) AS modules, count(DISTINCT layer) AS layers, max(length(module)) AS longest
  FROM report_cells GROUP BY map, family
),
ordered AS (
  SELECT c.*, s.cells, s.longest > 40 OR s.modules > 12 AND s.layers <= 12 AS turned,
         dense_rank() OVER (PARTITION BY c.map, c.family ORDER BY c.first, c.module) AS m,
         dense_rank() OVER (PARTITION BY c.map, c.family ORDER BY c.layer) AS l
  FROM (SELECT *, min(place) OVER (PARTITION BY map, family, module) AS first FROM report_cells) AS c JOIN sized AS s USING (map, family)
)
SELECT map, family, cells, turned, iif(turned, m, l) AS row, iif(turned, l, m) AS col, iif(turned, (l - 1) / 8, (m - 1) / 12) AS part,
       iif(turned, module, layer) AS row_label, iif(turned, layer, module) AS col_label, class, text
FROM ordered;
DROP TABLE IF EXISTS temp.report_panels;
CREATE TEMP TABLE report_panels AS
SELECT *, row_number() OVER (PARTITION BY map ORDER BY cells DESC, family, part) AS panel,
       sum(rows * cols) OVER (PARTITION BY map ORDER BY cells DESC, family, part) AS before, count(*) OVER (PARTITION BY map) AS panels
FROM (SELECT map, family, part, cells, max(turned) AS turned, count(DISTINCT row) AS rows, count(DISTINCT col) AS cols,
             count(DISTINCT family) AS n
      FROM report_placed GROUP BY map, family, part);
DELETE FROM report_panels WHERE panel > 4 OR panel > 1 AND before > 2500;
CREATE INDEX temp.report_placed_at ON report_placed(map, family, part, row, col);

DROP TABLE IF EXISTS temp.report_lines;
CREATE TEMP TABLE report_lines AS
WITH cols AS (SELECT DISTINCT map, family, part, col, col_label FROM report_placed),
rows AS (SELECT DISTINCT map, family, part, row, row_label FROM report_placed),
cells AS (
  SELECT p.map, p.panel, r.row, r.row_label, c.col, f.class, f.text
  FROM report_panels AS p JOIN rows AS r USING (map, family, part) JOIN cols AS c USING (map, family, part)
  LEFT JOIN report_placed AS f USING (map, family, part, row, col)
)
SELECT p.map, p.panel, -1 AS row,
       iif(part = 0, '<h3>' || safetensors_html(iif(family = '', 'layers', family)) || '</h3>', '') || printf('<table class="map%s"><thead><tr><th>%s</th>', iif(turned, ' turned', ''), iif(turned, '', 'layer')) ||
       (SELECT group_concat(printf('<th><span>%s</span></th>', safetensors_html(col_label)), '')
        FROM (SELECT col_label FROM cols AS c WHERE (c.map, c.family, c.part) = (p.map, p.family, p.part) ORDER BY col)) || '</tr></thead><tbody>' AS html
FROM report_panels AS p
UNION ALL
SELECT map, panel, row, printf('<tr><th>%s</th>', safetensors_html(row_label)) || cells || '</tr>'
FROM (SELECT *, row_number() OVER (PARTITION BY map, panel, row ORDER BY col) AS nth,
             group_concat(iif(class IS NULL, '<td></td>', printf('<td class="%s">%s</td>', class, text)), '') OVER (
               PARTITION BY map, panel, row ORDER BY col ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS cells
      FROM cells)
WHERE nth = 1
UNION ALL
SELECT map, panel, 1e9, '</tbody></table>' FROM report_panels;

-- The change.
INSERT INTO report_page(html)
SELECT '<h2>What changed</h2>' WHERE EXISTS (SELECT 1 FROM report_compared WHERE status NOT IN ('new', 'gone'));
INSERT INTO report_page(html)
SELECT '<p class="note">' || group_concat(printf('%,d %s', n, text), ', ') || '.</p>'
FROM (SELECT count(*) AS n, CASE WHEN status = 'same' OR status = 'retyped' AND n_diff = 0 THEN 'equal' ELSE 'with other values' END AS text
      FROM report_compared WHERE status IN ('same', 'changed', 'retyped') GROUP BY 2 ORDER BY text DESC) HAVING count(*) > 0;
INSERT INTO report_page(html)
SELECT '<p>Change of each module in each layer, in percent of its norm in the base.</p>
<div class="key"><span><i class="h0">=</i>equal</span><span><i class="h2"></i>under 0.1</span>'
       || '<span><i class="h3"></i>under 1</span><span><i class="h4"></i>under 3</span><span><i class="h5"></i>under 10</span><span><i class="h6"></i>under 30</span>'
       || '<span><i class="h7"></i>under 100</span><span><i class="h8"></i>more</span><span><i class="odd"></i>new, gone, of another size</span><span><i class="bad">NaN</i>not finite</span></div>'
WHERE EXISTS (SELECT 1 FROM report_panels WHERE map = 'change');
INSERT INTO report_page(html, list) SELECT html, iif(row BETWEEN 0 AND 9e8, 'change map', NULL) FROM report_lines WHERE map = 'change' ORDER BY panel, row;
INSERT INTO report_page(rest, list) VALUES ('<p class="note">%,d more rows are left out.</p>', 'change map');
INSERT INTO report_page(html)
SELECT printf('<p class="note">%,d more maps like this are left out.</p>', max(panels) - count(*)) FROM report_panels WHERE map = 'change' HAVING max(panels) > count(*);

INSERT INTO report_page(html)
SELECT '<h3>Outside the layers</h3><table class="list"><thead><tr><th>weight</th><th class="n">change of its norm</th><th>values</th><th>dtype</th></tr></thead><tbody>'
WHERE EXISTS (SELECT 1 FROM report_compared WHERE layer IS NULL AND status NOT IN ('new', 'gone', 'unknown'));
INSERT INTO report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td class="n">%s</td><td>%s</td><td>%s</td></tr>', safetensors_html(name),
              CASE WHEN new_nan > 0 THEN 'NaN' WHEN new_inf > 0 THEN 'inf' WHEN n_diff = 0 THEN '=' WHEN rel_l2 IS NULL THEN '' ELSE printf('%.*f%%', CASE WHEN rel_l2 < 0.01 THEN 3 WHEN rel_l2 < 0.1 THEN 2 ELSE 1 END, 100 * rel_l2) END,
              CASE WHEN new_nan + new_inf > 0 THEN '<b class="error">not finite</b>' WHEN n_diff = 0 THEN 'equal' WHEN n_diff IS NULL THEN 'not compared'
                   ELSE printf('%.3g%% of %s differ', 100.0 * n_diff / max(1, compared), safetensors_pretty(compared)) END,
              iif(dtype_a = dtype_b, dtype_b, dtype_a || ' to ' || dtype_b)), 'outside'
FROM report_compared WHERE layer IS NULL AND status NOT IN ('new', 'gone', 'unknown')
ORDER BY new_nan + new_inf DESC, n_diff = 0, rel_l2 DESC, name;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="4">and %,d more</td></tr>', 'outside');
INSERT INTO report_page(html)
SELECT '</tbody></table>' WHERE EXISTS (SELECT 1 FROM report_compared WHERE layer IS NULL AND status NOT IN ('new', 'gone', 'unknown'));
INSERT INTO report_page(html)
SELECT '<h3>Changed the most</h3><table class="list"><thead><tr><th>weight</th><th class="n">change</th><th class="n">largest difference</th><th class="n">elements</th><th class="n">cosine</th></tr></thead><tbody>'
WHERE EXISTS (SELECT 1 FROM report_compared WHERE layer IS NOT NULL AND n_diff > 0);
INSERT INTO report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td class="n" data-is="change">%s</td><td class="n" data-is="largest difference">%s</td><td class="n" data-is="elements">%.1f%%</td><td class="n" data-is="cosine">%s</td></tr>', safetensors_html(name),
              CASE WHEN new_nan > 0 THEN 'NaN' WHEN new_inf > 0 THEN 'inf' WHEN rel_l2 IS NULL THEN '-' ELSE printf('%.*f%%', CASE WHEN rel_l2 < 0.01 THEN 3 WHEN rel_l2 < 0.1 THEN 2 ELSE 1 END, 100 * rel_l2) END,
              iif(new_nan + new_inf > 0 OR max_abs_diff IS NULL, '-', printf('%.3g', max_abs_diff)), 100.0 * n_diff / max(1, compared),
              iif(new_nan + new_inf > 0 OR cosine IS NULL, '-', printf('%.6f', cosine))), 'changes'
FROM report_compared WHERE layer IS NOT NULL AND n_diff > 0
ORDER BY new_nan + new_inf DESC, rel_l2 IS NULL, rel_l2 DESC, name;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="5">and %,d more</td></tr>', 'changes');
INSERT INTO report_page(html) SELECT '</tbody></table>' WHERE EXISTS (SELECT 1 FROM report_compared WHERE layer IS NOT NULL AND n_diff > 0);

-- The norms.
INSERT INTO report_page(html)
SELECT '<h2>Norms beside their peers</h2>
<p>Root mean square of each module, in percent above or below the median of the same module in all layers; of several weights the one that is farthest from it.</p>
<div class="key"><span><i class="h0">0</i>within 10%</span><span><i class="p2">+30</i>30% more</span>'
       || '<span><i class="p4">&times;3</i>3 times the median</span><span><i class="n2">&minus;30</i>30% less</span><span><i class="n4">&divide;3</i>a third of it</span><span><i class="bad">NaN</i>not finite</span></div>'
WHERE EXISTS (SELECT 1 FROM report_panels WHERE map = 'norm');
INSERT INTO report_page(html, list) SELECT html, iif(row BETWEEN 0 AND 9e8, 'norm map', NULL) FROM report_lines WHERE map = 'norm' ORDER BY panel, row;
INSERT INTO report_page(rest, list) VALUES ('<p class="note">%,d more rows are left out.</p>', 'norm map');
INSERT INTO report_page(html)
SELECT printf('<p class="note">%,d more maps like this are left out.</p>', max(panels) - count(*)) FROM report_panels WHERE map = 'norm' HAVING max(panels) > count(*);

-- ---- Where the parameters are ----

DROP TABLE IF EXISTS temp.report_modules;
CREATE TEMP TABLE report_modules AS
SELECT row_number() OVER (ORDER BY sum(numel) DESC, min(position)) AS rank, bare, count(*) AS tensors, sum(numel) AS numel, min(shape) AS shape, max(shape) > min(shape) AS shapes,
       iif(layer IS NULL, bare, family || ' ' || substr(label, 1, instr(label || '.', '.') - 1)) AS block, 1.0 * sum(numel) / max(1, sum(sum(numel)) OVER ()) AS share
FROM report_weights WHERE copy_of IS NULL GROUP BY bare;

-- Each block is a column, or on a phone a row, of the modules in it; areas are numbers of parameters. A module shows
-- its name where that fits: on a desk (class d) in its part of 600 by 288 pixels, on a phone (p) of 358 by 480.
INSERT INTO report_page(html)
SELECT '<h2>Where the parameters are</h2>' || iif(sum(numel) > 0, '<p class="note">Areas are parameters, all layers of a module together.</p><div class="tree">', '')
FROM report_modules;
WITH blocks AS (SELECT block, sum(numel) AS numel, sum(share) AS share FROM report_modules GROUP BY block),
labels AS (  -- without what stands before the layer, where that tells no two modules apart
  SELECT *, iif(count(*) OVER (PARTITION BY short) = 1, short, bare) AS label
  FROM (SELECT *, iif(instr(bare, '#.') = 0, bare, substr(bare, instr(bare, '#.') + 2)) AS short FROM report_modules)
),
sized AS (
  SELECT m.*, b.numel AS whole, 600 * b.share AS desk_width, 288.0 * m.numel / max(1, b.numel) AS desk_height,
         358.0 * m.numel / max(1, b.numel) AS phone_width, 480 * b.share AS phone_height
  FROM labels AS m JOIN blocks AS b USING (block) WHERE m.share > 0.0005
)
INSERT INTO report_page(html, list)
SELECT printf('<div style="flex:%d 0 0">', whole) || cells || '</div>', 'treemap'
FROM (SELECT *, row_number() OVER (PARTITION BY block ORDER BY rank) AS nth, group_concat(
        printf('<div style="flex:%d 0 0"><span class="%s">%s<br>%s</span></div>', numel,
          trim(iif(desk_width >= 45 AND 14 * ceil(1 + 7 * length(label) / (desk_width - 10)) + 20 <= desk_height, 'd', '') ||
               iif(phone_width >= 45 AND 14 * ceil(1 + 7 * length(label) / (phone_width - 10)) + 20 <= phone_height, ' p', '')),
          safetensors_html(label), safetensors_pretty(numel)), '') OVER (
          PARTITION BY block ORDER BY rank ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS cells
      FROM sized)
WHERE nth = 1 ORDER BY whole DESC, rank;
INSERT INTO report_page(html) SELECT '</div>' WHERE (SELECT sum(numel) FROM report_modules) > 0;

INSERT INTO report_page(html) VALUES ('<table class="list"><thead><tr><th>module</th><th class="wide"></th><th class="n">parameters</th><th class="n">share</th><th class="n">weights</th><th>shape</th></tr></thead><tbody>');
INSERT INTO report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td class="wide"><i class="bar" style="width:%.1f%%"></i></td>'
              || '<td class="n" data-is="parameters">%s</td><td class="n">%.1f%%</td><td class="n" data-is="weights">%,d</td><td class="w" data-is="shape">%s</td></tr>',
              safetensors_html(bare), 100.0 * numel / max(1, max(numel) OVER ()), safetensors_pretty(numel), 100 * share, tensors, iif(shapes, 'several', replace(shape, ',', ', '))), 'modules'
FROM report_modules ORDER BY rank;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="6">and %,d more</td></tr>', 'modules');
INSERT INTO report_page(html) VALUES ('</tbody></table>');

INSERT INTO report_page(html) VALUES ('<h3>Stored as</h3><table class="list"><thead><tr><th>dtype</th><th class="wide"></th><th class="n">bytes</th><th class="n">share</th><th class="n">weights</th></tr></thead><tbody>');
INSERT INTO report_page(html, list)
SELECT printf('<tr><td>%s</td><td class="wide"><i class="bar" style="width:%.1f%%"></i></td><td class="n">%s</td><td class="n">%.1f%%</td><td class="n" data-is="weights">%,d</td></tr>',
              dtype, 100.0 * nbytes / max(1, max(nbytes) OVER ()), safetensors_pretty(nbytes, 'B'), 100.0 * nbytes / max(1, sum(nbytes) OVER ()), n), 'dtypes'
FROM (SELECT iif(scheme = 'none', dtype, scheme || ' for ' || dtype) AS dtype, sum(nbytes) AS nbytes, count(*) AS n FROM report_weights WHERE copy_of IS NULL GROUP BY 1)
ORDER BY nbytes DESC;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="5">and %,d more</td></tr>', 'dtypes');
INSERT INTO report_page(html) VALUES ('</tbody></table>');

-- ---- Distributions: of the largest modules the weight in the middle, at most a million values ----

DROP TABLE IF EXISTS temp.report_sampled;
CREATE TEMP TABLE report_sampled AS
SELECT rank, name, numel, iif(numel > 1000000, tensor_slice(ref, '0:' || max(1, 1000000 * (shape ->> 0) / numel)), ref) AS ref,
       max(min, mean - 4 * std) AS lo, min(max, mean + 4 * std) AS hi
FROM (SELECT m.rank, w.*, row_number() OVER (PARTITION BY m.rank ORDER BY w.layer, w.position) AS n, count(*) OVER (PARTITION BY m.rank) AS of
      FROM report_modules AS m JOIN report_weights AS w USING (bare) WHERE m.rank <= 12 AND w.ref IS NOT NULL AND w.std > 0 AND w.numel >= 100)
WHERE n = (of + 1) / 2 ORDER BY rank LIMIT 8;
INSERT INTO report_page(html)
SELECT '<h2>Distributions</h2><p class="note">Of the largest modules the weight in the middle layer, within four standard deviations of the mean' ||
       iif(max(numel) > 1000000, '; of large ones the first million values', '') || '.</p><div class="grid">' FROM report_sampled HAVING count(*) > 0;
WITH bins AS (
  SELECT s.rank, s.name, s.lo, s.hi, h.bin, h.count, max(h.count) OVER (PARTITION BY s.rank) AS top, sum(h.count) OVER (PARTITION BY s.rank) AS of
  FROM report_sampled AS s, tensor_histogram(s.ref, 31, s.lo, s.hi) AS h
)
INSERT INTO report_page(html, list)
SELECT printf('<div class="card"><code>%s</code><div class="axis"><span>up to %.3g%% in a bin</span></div><div class="plot">', safetensors_html(name), 100.0 * top / max(1, of)) || bars ||
       printf('</div><div class="axis"><span>%.3g</span><span>%.3g</span><span>%.3g</span></div></div>', lo, (lo + hi) / 2, hi), 'distributions'
FROM (SELECT *, group_concat(printf('<i style="height:%.1f%%"></i>', 100.0 * count / max(1, top)), '') OVER (
                  PARTITION BY rank ORDER BY bin ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS bars
      FROM bins)
WHERE bin = 0 ORDER BY rank;
INSERT INTO report_page(html) SELECT '</div>' WHERE EXISTS (SELECT 1 FROM report_sampled);

-- ---- Metadata ----

INSERT INTO report_page(html)
SELECT '<h2>Metadata</h2><table class="list"><thead><tr><th>key</th><th>value</th></tr></thead><tbody>' WHERE EXISTS (SELECT 1 FROM report_metadata);
INSERT INTO report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td>%s</td></tr>', safetensors_html(key), safetensors_html(value)), 'metadata'
FROM report_metadata ORDER BY key, value;
INSERT INTO report_page(rest, list) VALUES ('<tr><td class="soft" colspan="2">and %,d more</td></tr>', 'metadata');
INSERT INTO report_page(html) SELECT '</tbody></table>' WHERE EXISTS (SELECT 1 FROM report_metadata);
INSERT INTO report_page(html) VALUES ('<footer><p class="note">' || safetensors_version() || '</p></footer>
</body>
</html>');

WITH listed AS (
  SELECT place, list, row_number() OVER (PARTITION BY list ORDER BY place) AS n, count(*) OVER (PARTITION BY list) AS of,
         sum(length(CAST(html AS BLOB))) OVER (PARTITION BY list ORDER BY place) AS bytes
  FROM report_page WHERE rest IS NULL
),
kept AS (SELECT l.place, l.list, l.of FROM listed AS l LEFT JOIN report_lists AS a USING (list) WHERE l.list IS NULL OR l.n <= a.most AND (l.n = 1 OR l.bytes <= a.room)),
left_out AS (SELECT list, max(of) - count(*) AS n FROM kept GROUP BY list)
SELECT iif(p.rest IS NULL, p.html, printf(p.rest, o.n))
FROM report_page AS p JOIN parameters AS a LEFT JOIN kept AS k USING (place) LEFT JOIN left_out AS o ON o.list = p.list
WHERE a.format = 'text' AND (k.place IS NOT NULL OR p.rest IS NOT NULL AND o.n > 0) ORDER BY p.place;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unreadable INTEGER);
CREATE TEMP TRIGGER unreadable BEFORE INSERT ON verdict WHEN new.unreadable > 0 BEGIN SELECT RAISE(ABORT, 'a file of the model cannot be read'); END;
INSERT INTO verdict SELECT files - ok FROM report_files LIMIT 1;
