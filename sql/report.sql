-- What does it look like, on one HTML page?
--
-- Writes a page about one checkpoint, or about two compared: where the parameters are, dtypes, norms by layer,
-- histograms, and the findings of safetensors_check. The page is one file with inline SVG, a light and a dark theme, no
-- scripts and nothing from the network.
--
-- It begins with the findings, the worst first. NaNs and infinities are errors; when two checkpoints are compared, only
-- those that the base does not have are. Of each code the page shows the first findings and how many more there are, so
-- that no code hides another. Packed codes are not compared as numbers. The script reads all bytes twice, and those of
-- the base once.
--
-- @param path path required   the checkpoint
-- @param base path            the checkpoint that it was made from, to show what has changed since
-- @table report_findings(severity, code, tensor, message)   one row per finding, the worst first
-- @table report_tensors(name, dtype, numel, nbytes, layer, n_nan, n_inf, n_zero, min, max, mean, std, l2)   one row per
--    tensor
-- @table report_changes(name, status, dtype_a, dtype_b, shape_a, shape_b, n_diff, max_abs_diff, rel_l2, cosine,
--    new_nan, new_inf, codes)   one row per tensor of the two, as in compare.sql
-- @prints html
-- @example safetensors-sql report tune.safetensors --base base.safetensors --output report.html

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL), base TEXT);
INSERT INTO parameters VALUES (:path, :base);

-- If no file can be read, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
  safetensors_tensors(iif(f.ok > 0, NULL, :path)) AS t;

.mode list
.headers off
.separator ""

DROP TABLE IF EXISTS temp.report_tensors;
CREATE TEMP TABLE report_tensors AS
SELECT row_number() OVER () AS position, t.name, t.dtype, t.numel, t.nbytes, t.layer, t.ref,
       iif(t.pattern LIKE '%_.weight', substr(t.pattern, 1, length(t.pattern) - 7), t.pattern) AS kind,
       s.n_nan, s.n_inf, s.n_zero, s.min, s.max, s.mean, s.std, s.l2, t.numel - s.n_nan - s.n_inf AS finite
FROM safetensors_files(:path) AS f
JOIN safetensors_tensors(ifnull(f.file, :path)) AS t
LEFT JOIN tensor_stats(t.ref) AS s WHERE f.status = 'ok';

DROP TABLE IF EXISTS temp.report_kinds;
CREATE TEMP TABLE report_kinds AS
WITH pooled AS (
  SELECT kind, min(position) AS position, count(*) AS tensors, count(layer) AS layered, sum(numel) AS numel,
         sum(nbytes) AS nbytes, min(min) AS lo, max(max) AS hi, sum(n_nan) AS n_nan, sum(n_inf) AS n_inf,
         sum(finite * mean) / sum(finite) AS mean, sum(finite * (std * std + mean * mean)) / sum(finite) AS square
  FROM report_tensors GROUP BY kind
)
SELECT row_number() OVER (ORDER BY numel DESC, position) AS rank, kind,
       replace(replace(replace(replace(kind, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;') AS html,
       tensors, layered, numel, nbytes, lo, hi, n_nan, n_inf,
       max(lo, mean - 4 * sqrt(max(0, square - mean * mean))) AS from_value,
       min(hi, mean + 4 * sqrt(max(0, square - mean * mean))) AS to_value
FROM pooled;

-- If :base cannot be read, this raises the error before the page begins.
DROP TABLE IF EXISTS temp.report_changes;
CREATE TEMP TABLE report_changes AS
SELECT name, replace(replace(replace(name, '&', '&amp;'), '<', '&lt;'), '"', '&quot;') AS html, status, dtype_a, dtype_b,
       shape_a, shape_b, n_diff, max_abs_diff, rel_l2, cosine, layer, numel, l2_a, l2_diff, n_nan, n_nan_one, ref_a, ref_b,
       0 AS new_nan, 0 AS new_inf, 0 AS codes
FROM parameters AS p JOIN safetensors_diff(p.base, p.path) WHERE p.base IS NOT NULL;

-- NaNs and infinities that the base does not have in the same place, found as in compare.sql.
UPDATE report_changes SET (new_nan, new_inf) = (
  SELECT CASE status WHEN 'only_b' THEN t.n_nan WHEN 'reshaped' THEN max(0, t.n_nan - ifnull(a.n_nan, 0))
                     ELSE t.n_nan - report_changes.n_nan END,
         CASE WHEN t.n_inf = 0 OR ifnull(a.n_inf, 0) = 0 THEN t.n_inf
              WHEN status = 'reshaped' OR dtype_b = 'C64' THEN max(0, t.n_inf - a.n_inf)
              ELSE (SELECT count(*) FROM (SELECT idx, value FROM tensor_elements(ref_b) WHERE abs(value) = 9e999
                                          EXCEPT
                                          SELECT idx, value FROM tensor_elements(ref_a) WHERE abs(value) = 9e999)) END
  FROM report_tensors AS t LEFT JOIN tensor_stats(ref_a) AS a WHERE t.name = report_changes.name)
WHERE (status IN ('only_b', 'reshaped') OR n_nan_one > 0 OR max_abs_diff = 9e999)
  AND name IN (SELECT name FROM report_tensors WHERE n_nan + n_inf > 0);

-- Packed codes, found as in compare.sql: integers and small floats that have a scale or the like in their module.
DROP TABLE IF EXISTS temp.report_scaled;
CREATE TEMP TABLE report_scaled(side, module, PRIMARY KEY(side, module)) WITHOUT ROWID;
INSERT OR IGNORE INTO report_scaled
SELECT side, module
FROM (SELECT side, module, substr(name, length(module) + 1) AS last
      FROM (SELECT 'a' AS side, name, rtrim(name, replace(name, '.', '')) AS module FROM report_changes WHERE status <> 'only_b'
            UNION ALL
            SELECT 'b', name, rtrim(name, replace(name, '.', '')) FROM report_changes WHERE status <> 'only_a'))
WHERE (last LIKE '%scale%' OR last LIKE '%absmax%' OR last LIKE '%zero%' OR last LIKE '%codebook%' OR last LIKE '%quant%map%'
       OR last = 'SCB')
  AND last NOT IN ('input_scale', 'output_scale', 'input_global_scale', 'scale_input', 'scale_output', 'k_scale', 'v_scale', 'q_scale');
UPDATE report_changes SET codes = 1, max_abs_diff = NULL, rel_l2 = NULL, cosine = NULL, l2_a = NULL, l2_diff = NULL,
                          n_diff = iif(dtype_a = dtype_b, n_diff, NULL)
WHERE EXISTS (
  SELECT 1 FROM (SELECT 'a' AS side, dtype_a AS dtype UNION ALL SELECT 'b', dtype_b) AS t
  WHERE t.dtype IS NOT NULL AND (
    EXISTS (SELECT 1 FROM report_scaled AS m WHERE m.side = t.side AND m.module = name || '.')
    OR (t.dtype IN ('I8', 'U8', 'I16', 'U16', 'I32', 'U32') OR t.dtype GLOB 'F[468]_*' OR t.dtype = 'F4')
       AND (name LIKE '%qweight' OR name LIKE '%\_packed' ESCAPE '\' OR EXISTS (
              SELECT 1 FROM report_scaled AS m
              WHERE m.side = t.side AND m.module IN (
                rtrim(name, replace(name, '.', '')), replace(rtrim(name, replace(name, '.', '')) || '/', '._data./', '.'))))));

DROP TABLE IF EXISTS temp.report_found;
CREATE TEMP TABLE report_found AS
SELECT severity, code, tensor, iif(files > 1, ifnull(substr(file, length(rtrim(file, replace(file, '/', ''))) + 1) || ': ', ''), '') || message
       AS message, 0 AS amount
FROM (SELECT count(*) AS files FROM safetensors_files(:path)),
  safetensors_check(:path);
INSERT INTO report_found
SELECT 'error', 'new-nan', name, printf('%,d of %,d elements %s NaN where the base has none', new_nan, tensor_numel(ref_b), iif(new_nan = 1, 'is', 'are')), new_nan
FROM report_changes WHERE new_nan > 0
UNION ALL
SELECT 'error', 'new-infinite', name, printf('%,d of %,d elements %s infinite where the base has none', new_inf, tensor_numel(ref_b), iif(new_inf = 1, 'is', 'are')), new_inf
FROM report_changes WHERE new_inf > 0;
INSERT INTO report_found
SELECT iif(c.name IS NULL, 'error', 'warning'), 'nan', t.name,
       printf('%,d of %,d elements %s NaN', n, t.numel, iif(n = 1, 'is', 'are')) || iif(c.name IS NULL, '', ', as in the base'), n
FROM (SELECT t.*, t.n_nan - ifnull(c.new_nan, 0) AS n FROM report_tensors AS t LEFT JOIN report_changes AS c USING (name)) AS t
LEFT JOIN report_changes AS c ON c.name = t.name WHERE n > 0
UNION ALL
SELECT iif(c.name IS NULL, 'error', 'warning'), 'infinite', t.name,
       printf('%,d of %,d elements %s infinite', n, t.numel, iif(n = 1, 'is', 'are')) || iif(c.name IS NULL, '', ', as in the base'), n
FROM (SELECT t.*, t.n_inf - ifnull(c.new_inf, 0) AS n FROM report_tensors AS t LEFT JOIN report_changes AS c USING (name)) AS t
LEFT JOIN report_changes AS c ON c.name = t.name WHERE n > 0
UNION ALL
SELECT 'advice', 'all-zero', name, 'all elements are 0', 0 FROM report_tensors WHERE n_zero = numel AND numel > 1;
-- Findings about values come before those about the file's form, the most frequent first, a few of each code.
DROP TABLE IF EXISTS temp.report_findings;
CREATE TEMP TABLE report_findings AS
SELECT *, row_number() OVER (PARTITION BY severity, code ORDER BY amount DESC, place) AS n, count(*) OVER (PARTITION BY severity, code) AS of,
       instr('error warning advice', severity) * 1000 + ifnull(nullif(instr('new-nan new-infinite nan infinite', code), 0), 100) AS rank
FROM (SELECT *, rowid AS place FROM report_found) ORDER BY rank, code, n;

SELECT '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Checkpoint report</title>
<style>
:root { color-scheme: light dark; --ink: #1f2430; --soft: #667085; --paper: #ffffff; --card: #f6f7f9;
  --line: #dfe3ea; --bad: #c62828; --warn: #b26a00; --good: #2e7d32;
  --c1: #4269d0; --c2: #d99a00; --c3: #ff725c; --c4: #3ca951; --c5: #a463f2; --c6: #6cc5b0; --c7: #ff8ab7;
  --c8: #9c6b4e; --c9: #9aa3b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --paper: #14171d;
  --card: #1d2129; --line: #313742; --bad: #ff7b72; --warn: #e3b341; --good: #56d364;
  --c1: #6b8cff; --c9: #6b7484; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } svg + div { margin-top: .75rem; }
p { margin: .25rem 0 .75rem; color: var(--soft); }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--ink); font: 11px system-ui, sans-serif; }
svg .in { fill: #fff; } svg .soft { fill: var(--soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .75rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .75rem; min-width: 0; }
.card b { display: block; font-weight: 600; overflow-wrap: anywhere; font-size: .85rem; } .card small { color: var(--soft); }
.facts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; } .facts .card { flex: 1 1 8rem; }
.facts b { font-size: 1.35rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th { text-align: left; color: var(--soft); font-weight: 500; } td, th { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
bdi { display: inline-block; min-width: 9rem; overflow-wrap: anywhere; } span { white-space: nowrap; margin-right: .75rem; } .card + .scroll { margin-top: 1rem; } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.error { color: var(--bad); } .warning { color: var(--warn); } .good { color: var(--good); }
.k1 { fill: var(--c1); } .k2 { fill: var(--c2); } .k3 { fill: var(--c3); } .k4 { fill: var(--c4); } .k5 { fill: var(--c5); }
.k6 { fill: var(--c6); } .k7 { fill: var(--c7); } .k8 { fill: var(--c8); } .k9 { fill: var(--c9); }
rect { stroke: var(--paper); stroke-width: .5; } .bar rect, .thin { stroke: none; }
</style>
</head>
<body>';

SELECT '<h1>' || replace(replace(replace(iif(typeof(path) = 'blob', 'a BLOB', path), '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</h1>'
FROM parameters;
SELECT '<p>compared with ' || replace(replace(replace(iif(typeof(base) = 'blob', 'a BLOB', base), '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</p>'
FROM parameters WHERE base IS NOT NULL;
SELECT '<div class="facts">';
SELECT printf('<div class="card"><b>%s</b><small>%s%s</small></div>',
              CASE label WHEN 'parameter' THEN safetensors_pretty(count) WHEN 'size' THEN safetensors_pretty(count, 'B')
                         ELSE printf('%,d', count) END, label, iif(count = 1 OR label = 'size', '', 's'))
FROM (SELECT total(numel) AS count, 'parameter' AS label FROM report_tensors
      UNION ALL SELECT total(nbytes), 'size' FROM report_tensors
      UNION ALL SELECT count(*), 'tensor' FROM report_tensors
      UNION ALL SELECT nullif(count(DISTINCT layer), 0), 'layer' FROM report_tensors
      UNION ALL SELECT count(*), 'file'
                FROM safetensors_files(:path))
WHERE count IS NOT NULL;
SELECT '</div>';

-- ---- Findings ----

SELECT '<h2>Findings</h2>';
SELECT printf('<p class="error">%,d tensor%s NaN or infinities%s.</p>', n, iif(n = 1, ' has', 's have'),
              iif(EXISTS (SELECT 1 FROM report_changes), ' that the base has not', ''))
FROM (SELECT count(DISTINCT tensor) AS n FROM report_findings WHERE severity = 'error' AND (code LIKE '%nan' OR code LIKE '%infinite'))
WHERE n > 0;
SELECT '<p>' || group_concat(printf('%,d %s%s', n, severity, iif(n = 1 OR severity = 'advice', '', 's')), ', ') || '.</p>'
FROM (SELECT severity, count(*) AS n FROM report_findings GROUP BY severity ORDER BY min(rank)) HAVING count(*) > 0;
SELECT '<p class="good">None: the reference implementation loads it, and all values are finite.</p>'
WHERE NOT EXISTS (SELECT 1 FROM report_findings);
SELECT '<div class="scroll"><table><tr><th>severity<th>code<th>tensor<th>message' WHERE EXISTS (SELECT 1 FROM report_findings);
SELECT '<tr><td class="' || severity || '">' || severity || '<td style="white-space:nowrap">' || code || '<td><bdi>' ||
       replace(replace(ifnull(tensor, ''), '&', '&amp;'), '<', '&lt;') || '</bdi><td><bdi>' ||
       replace(replace(message, '&', '&amp;'), '<', '&lt;') || '</bdi>' ||
       iif(n = 12 AND of > 12, printf('<tr><td class="%s">%s<td style="white-space:nowrap">%s<td>and %,d more<td>', severity, severity, code, of - 12), '')
FROM report_findings WHERE n <= 12 ORDER BY rank, code, n;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_findings);

-- ---- What changed since :base ----

DROP TABLE IF EXISTS temp.report_statuses;
CREATE TEMP TABLE report_statuses(position, status);
INSERT INTO report_statuses VALUES (1, 'same'), (2, 'changed'), (3, 'retyped'), (4, 'reshaped'), (5, 'only_a'), (6, 'only_b');

SELECT '<h2>What changed</h2>
<svg class="bar" viewBox="0 0 960 26" preserveAspectRatio="none" style="height:1.4rem" role="img" aria-label="Tensors by status">'
WHERE EXISTS (SELECT 1 FROM report_changes);
WITH counted AS (
  SELECT s.position, s.status, count(*) AS n FROM report_changes JOIN report_statuses AS s USING (status) GROUP BY s.position
)
SELECT printf('<rect class="%s" x="%.2f" width="%.2f" height="26"/>', iif(status = 'same', 'k9', 'k' || (position - 1)),
              960.0 * (sum(n) OVER (ORDER BY position) - n) / sum(n) OVER (), 960.0 * n / sum(n) OVER ())
FROM counted ORDER BY position;
SELECT '</svg><p>' WHERE EXISTS (SELECT 1 FROM report_changes);
SELECT printf('<span><svg viewBox="0 0 10 10" style="display:inline;width:.7rem"><rect class="%s" width="10" height="10"/></svg> %,d %s</span> ',
              iif(s.status = 'same', 'k9', 'k' || (s.position - 1)), count(*),
              replace(replace(s.status, 'only_a', 'only in the base'), 'only_b', 'new'))
FROM report_changes JOIN report_statuses AS s USING (status) GROUP BY s.position;
SELECT '</p>' WHERE EXISTS (SELECT 1 FROM report_changes);

-- By layer: the norm of all differences relative to the norm of the base, over the tensors that stayed finite.
WITH layers AS (
  SELECT layer, sqrt(sum(l2_diff * l2_diff) / nullif(sum(l2_a * l2_a), 0)) AS change
  FROM report_changes WHERE layer IS NOT NULL AND l2_diff < 9e999 AND new_nan + new_inf = 0 GROUP BY layer
),
scaled AS (SELECT *, max(change) OVER () AS top, count(*) OVER () AS n, row_number() OVER (ORDER BY layer) - 1 AS i FROM layers)
SELECT iif(i = 0, '<div class="card"><b>Change by layer</b><small>relative L2 of layers ' || min(layer) OVER () || ' to ' || max(layer) OVER () || ', up to ' || printf('%.3g', top) ||
           iif((SELECT max(new_nan + new_inf) FROM report_changes) > 0, '; without tensors that are not finite', '') ||
           '</small><svg viewBox="0 0 960 80" preserveAspectRatio="none" style="height:6rem">', '') ||
       printf('<rect class="k1" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>layer %d: %.4g</title></rect>',
              960.0 * i / n, 80 - 80 * ifnull(change / nullif(top, 0), 0), 960.0 / n, 80 * ifnull(change / nullif(top, 0), 0), layer, change) ||
       iif(i = n - 1, '</svg></div>', '')
FROM scaled WHERE top > 0 ORDER BY i;

SELECT '<div class="scroll"><table><tr><th>tensor<th>status<th class="n">relative L2<th class="n">largest<th class="n">elements<th class="n">cosine'
WHERE EXISTS (SELECT 1 FROM report_changes WHERE status <> 'same');
DROP TABLE IF EXISTS temp.report_shown;
CREATE TEMP TABLE report_shown AS
SELECT *, row_number() OVER (PARTITION BY status ORDER BY new_nan + new_inf > 0 DESC, rel_l2 IS NULL, rel_l2 DESC, name) AS n,
       count(*) OVER (PARTITION BY status) AS of, iif(new_nan > 0, 'NaN', NULL) AS nan
FROM report_changes WHERE status <> 'same';
SELECT printf('<tr><td><bdi>%s</bdi><td>%s%s<td class="n">%s<td class="n">%s<td class="n">%s<td class="n">%s', html,
              CASE status WHEN 'retyped' THEN dtype_a || ' to ' || dtype_b WHEN 'reshaped' THEN shape_a || ' to ' || shape_b
                          WHEN 'only_a' THEN 'only in the base' WHEN 'only_b' THEN 'new' ELSE status END,
              CASE WHEN codes AND status = 'changed' THEN ': codes differ' WHEN codes AND status = 'retyped' THEN ': codes, not compared'
                   WHEN new_nan + new_inf > 0 THEN ' <b class="error">not finite</b>' ELSE '' END,
              coalesce(nan, iif(rel_l2 IS NULL, '', printf('%.3g', rel_l2))),
              coalesce(nan, iif(max_abs_diff IS NULL, '', printf('%.3g', max_abs_diff))),
              iif(n_diff IS NULL, '', printf('%.1f%%', 100.0 * n_diff / max(1, numel))),
              coalesce(nan, iif(cosine IS NULL, '', printf('%.6f', cosine)))) ||
       iif(n = room AND of > room, printf('<tr><td>and %,d more<td>%s', of - room,
           replace(replace(status, 'only_a', 'only in the base'), 'only_b', 'new')), '')
FROM (SELECT *, iif(status = 'changed', 30, 10) AS room FROM report_shown)
WHERE n <= room ORDER BY instr('changed reshaped only_a only_b retyped', status), n;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_changes WHERE status <> 'same');

-- ---- Parameters by module: a column per layer, a row per module ----

SELECT '<h2>Where the parameters are</h2>';
SELECT '<p>Nowhere: it has none.</p>' WHERE (SELECT total(numel) FROM report_kinds) = 0;
SELECT '<p>Each rectangle is a module, its area the number of parameters.' ||
       iif((SELECT max(layered) FROM report_kinds) > 0, ' Layers go from left to right.', '') || '</p>
<svg viewBox="0 0 960 280" role="img" aria-label="Parameters by module">'
WHERE (SELECT total(numel) FROM report_kinds) > 0;
WITH cells AS (
  SELECT ifnull('layer ' || t.layer, k.html) AS block, k.rank, k.html, min(t.position) AS position, sum(t.numel) AS numel
  FROM report_tensors AS t JOIN report_kinds AS k USING (kind) WHERE t.numel > 0 GROUP BY 1, k.kind
),
blocks AS (
  SELECT block, 960.0 * sum(numel) / sum(sum(numel)) OVER () AS width,
         960.0 * (sum(sum(numel)) OVER (ORDER BY min(position)) - sum(numel)) / sum(sum(numel)) OVER () AS x, sum(numel) AS numel
  FROM cells GROUP BY block
),
placed AS (
  SELECT c.*, b.x, b.width, 280.0 * c.numel / b.numel AS height,
         280.0 * (sum(c.numel) OVER (PARTITION BY block ORDER BY c.rank) - c.numel) / b.numel AS y,
         iif(html = block, html, substr(html, instr(html, '#.') + iif(instr(html, '#.'), 2, 0))) AS label
  FROM cells AS c JOIN blocks AS b USING (block)
)
SELECT printf('<g><title>%s%s: %,d</title><rect class="k%d%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>',
              iif(block = html, '', block || ', '), html, numel, min(rank, 9), iif(min(width, height) < 3, ' thin', ''),
              x, y, width, height) ||
       iif(height < 16 OR width < 60 OR instr(html, '&'), '',
           printf('<text class="in" x="%.1f" y="%.1f">%s</text>', x + 4, y + 12,
                  iif(length(label) * 6.6 < width - 6, label, '…' || substr(label, -CAST(width / 6.6 - 2 AS INTEGER))))) || '</g>'
FROM placed WHERE width * height > 0.02 ORDER BY position;
SELECT '</svg>' WHERE (SELECT total(numel) FROM report_kinds) > 0;

-- Bars for modules and dtypes.
SELECT '<div class="scroll"><table class="bar"><tr><th>module<th><th class="n">parameters<th class="n">share<th class="n">tensors'
WHERE EXISTS (SELECT 1 FROM report_kinds);
SELECT printf('<tr><td><bdi>%s</bdi><td style="width:30%%"><svg viewBox="0 0 100 6" preserveAspectRatio="none" style="height:.8rem">'
              || '<rect class="k%d" width="%.2f" height="6"/></svg><td class="n">%s<td class="n">%.1f%%<td class="n">%,d',
              html, min(rank, 9), 100.0 * numel / max(1, max(numel) OVER ()), safetensors_pretty(numel),
              100.0 * numel / max(1, (SELECT sum(numel) FROM report_kinds)), tensors)
FROM report_kinds WHERE rank <= 20 ORDER BY rank;
SELECT printf('<tr><td>and %,d more<td><td class="n">%s<td class="n">%.1f%%<td class="n">%,d', count(*), safetensors_pretty(sum(numel)),
              100.0 * sum(numel) / max(1, (SELECT sum(numel) FROM report_kinds)), sum(tensors))
FROM report_kinds WHERE rank > 20 HAVING count(*) > 0;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_kinds);

DROP TABLE IF EXISTS temp.report_dtypes;
CREATE TEMP TABLE report_dtypes AS
SELECT row_number() OVER (ORDER BY sum(nbytes) DESC) AS rank, dtype, sum(nbytes) AS nbytes,
       ifnull(sum(nbytes) * 1.0 / nullif(sum(sum(nbytes)) OVER (), 0), 0) AS share
FROM report_tensors GROUP BY dtype;
SELECT '<h2>Bytes by dtype</h2>
<svg class="bar" viewBox="0 0 960 26" preserveAspectRatio="none" style="height:1.4rem" role="img" aria-label="Bytes by dtype">'
WHERE EXISTS (SELECT 1 FROM report_dtypes WHERE share > 0);
SELECT printf('<rect class="k%d" x="%.2f" width="%.2f" height="26"/>', min(rank, 9),
              960 * (sum(share) OVER (ORDER BY rank) - share), 960 * share)
FROM report_dtypes WHERE share > 0 ORDER BY rank;
SELECT '</svg><p>' WHERE EXISTS (SELECT 1 FROM report_dtypes WHERE share > 0);
SELECT printf('<span><svg viewBox="0 0 10 10" style="display:inline;width:.7rem"><rect class="k%d" width="10" height="10"/></svg> %s %s (%.1f%%)</span> ',
              min(rank, 9), dtype, safetensors_pretty(nbytes, 'B'), 100 * share)
FROM report_dtypes WHERE share > 0 ORDER BY rank;
SELECT '</p>' WHERE EXISTS (SELECT 1 FROM report_dtypes WHERE share > 0);

-- ---- Norms: one small chart per kind, a bar per layer ----

SELECT '<h2>Norms by layer</h2><p>Root mean square of each module, layer by layer.</p><div class="grid">'
WHERE EXISTS (SELECT 1 FROM report_kinds WHERE layered > 0);
WITH norms AS (
  SELECT k.rank, k.html, t.layer, sqrt(sum(t.l2 * t.l2) / nullif(sum(t.finite), 0)) AS rms
  FROM report_kinds AS k JOIN report_tensors AS t USING (kind) WHERE t.layer IS NOT NULL AND t.numel > 0
  GROUP BY k.rank, t.layer
),
scaled AS (
  SELECT *, max(rms) OVER kind AS top, count(*) OVER kind AS n, row_number() OVER (kind ORDER BY layer) - 1 AS i,
         dense_rank() OVER (ORDER BY rank) AS shown
  FROM norms WINDOW kind AS (PARTITION BY rank)
),
lines AS (
  SELECT rank, -1 AS line, '<div class="card"><b>' || html || '</b><small>layer' || iif(max(layer) > min(layer), 's ' || min(layer) || ' to ', ' ') || max(layer) || ', up to ' || printf('%.3g', max(rms)) ||
         '</small><svg viewBox="0 0 240 60" preserveAspectRatio="none" style="height:4rem">' AS text
  FROM scaled WHERE shown <= 18 GROUP BY rank
  UNION ALL
  SELECT rank, i, printf('<rect class="k%d" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>layer %d: %.4g</title></rect>',
                         min(rank, 9), 240.0 * i / n, 60 - 60 * ifnull(rms / nullif(top, 0), 0), 240.0 / n,
                         60 * ifnull(rms / nullif(top, 0), 0), layer, rms)
  FROM scaled WHERE shown <= 18
  UNION ALL SELECT rank, 1e9, '</svg></div>' FROM scaled WHERE shown <= 18 GROUP BY rank
)
SELECT text FROM lines ORDER BY rank, line;
SELECT '</div>' WHERE EXISTS (SELECT 1 FROM report_kinds WHERE layered > 0);

-- ---- Histograms ----

SELECT '<h2>Distributions</h2><p>Of the largest modules, all layers together, within four standard deviations of the mean.</p><div class="grid">'
WHERE EXISTS (SELECT 1 FROM report_kinds WHERE from_value IS NOT NULL);
WITH counted AS (
  SELECT k.rank, h.bin, sum(h.count) AS count
  FROM report_kinds AS k JOIN report_tensors AS t USING (kind), tensor_histogram(t.ref, 30, k.from_value, k.to_value) AS h
  WHERE k.rank <= 12 AND k.from_value IS NOT NULL GROUP BY k.rank, h.bin
),
scaled AS (SELECT *, max(count) OVER (PARTITION BY rank) AS top FROM counted),
lines AS (
  SELECT rank, -1 AS line, '<div class="card"><b>' || html || '</b><svg viewBox="0 0 240 60" preserveAspectRatio="none" style="height:4rem">' AS text
  FROM report_kinds WHERE rank <= 12 AND from_value IS NOT NULL
  UNION ALL
  SELECT rank, bin, printf('<rect class="k%d" x="%d" y="%.2f" width="8" height="%.2f"/>', min(rank, 9), bin * 8,
                           60 - 60.0 * count / max(top, 1), 60.0 * count / max(top, 1))
  FROM scaled WHERE count > 0
  UNION ALL
  SELECT rank, 1e9, printf('</svg><small>%.3g to %.3g', from_value, to_value) ||
                   iif(lo < from_value OR hi > to_value, printf(' (of %.3g to %.3g)', lo, hi), '') || '</small></div>'
  FROM report_kinds WHERE rank <= 12 AND from_value IS NOT NULL
)
SELECT text FROM lines ORDER BY rank, line;
SELECT '</div>' WHERE EXISTS (SELECT 1 FROM report_kinds WHERE from_value IS NOT NULL);

-- ---- Metadata ----

DROP TABLE IF EXISTS temp.report_metadata;
CREATE TEMP TABLE report_metadata AS
SELECT replace(replace(key, '&', '&amp;'), '<', '&lt;') AS key,
       replace(replace(substr(value, 1, 300), '&', '&amp;'), '<', '&lt;') || iif(length(value) > 300, '…', '') AS value
FROM safetensors_files(:path) AS f
JOIN safetensors_metadata(ifnull(f.file, :path)) WHERE f.status = 'ok' LIMIT 100;
SELECT '<h2>Metadata</h2><div class="scroll"><table>' WHERE EXISTS (SELECT 1 FROM report_metadata);
SELECT '<tr><td><bdi>' || key || '</bdi><td><bdi>' || value || '</bdi>' FROM report_metadata;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_metadata);

SELECT '<p style="margin-top:2rem">' || safetensors_version() || '</p>
</body>
</html>';
