-- One checkpoint as a page of HTML, or two compared: where the parameters are, dtypes, norms by layer,
-- histograms, what safetensors_check finds.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           < sql/report.sql > report.html
--   (and -cmd ".param set :base base.safetensors" for what has changed since)
--
-- The page is one file: inline SVG, light and dark, no script and nothing from the network. Reads all
-- bytes twice, and those of :base once.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path(value CONSTRAINT ":path is set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path VALUES (:path);

.mode list
.headers off
.separator ""
.param init

CREATE TEMP TABLE report_tensors AS
SELECT row_number() OVER () AS position, t.name, t.dtype, t.numel, t.nbytes, t.layer, t.ref,
       iif(t.pattern LIKE '%_.weight', substr(t.pattern, 1, length(t.pattern) - 7), t.pattern) AS kind,
       s.n_nan, s.n_inf, s.n_zero, s.min, s.max, s.mean, s.std, s.l2, t.numel - s.n_nan - s.n_inf AS finite
FROM safetensors_tensors((SELECT value FROM temp.sqlite_parameters WHERE key = ':path')) AS t
LEFT JOIN tensor_stats(t.ref) AS s;

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

SELECT '<h1>' || replace(replace(replace(iif(typeof(value) = 'blob', 'a BLOB', value), '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</h1>'
FROM temp.sqlite_parameters WHERE key = ':path';
SELECT '<p>compared with ' || replace(replace(replace(iif(typeof(value) = 'blob', 'a BLOB', value), '&', '&amp;'), '<', '&lt;'), '>', '&gt;') || '</p>'
FROM temp.sqlite_parameters WHERE key = ':base';
SELECT '<div class="facts">';
SELECT printf('<div class="card"><b>%s</b><small>%s%s</small></div>',
              CASE label WHEN 'parameter' THEN safetensors_pretty(count) WHEN 'size' THEN safetensors_pretty(count, 'B')
                         ELSE printf('%,d', count) END, label, iif(count = 1 OR label = 'size', '', 's'))
FROM (SELECT total(numel) AS count, 'parameter' AS label FROM report_tensors
      UNION ALL SELECT total(nbytes), 'size' FROM report_tensors
      UNION ALL SELECT count(*), 'tensor' FROM report_tensors
      UNION ALL SELECT nullif(count(DISTINCT layer), 0), 'layer' FROM report_tensors
      UNION ALL SELECT count(*), 'file'
                FROM safetensors_files((SELECT value FROM temp.sqlite_parameters WHERE key = ':path')))
WHERE count IS NOT NULL;
SELECT '</div>';

-- ---- Findings ----

SELECT '<h2>Findings</h2>';
CREATE TEMP TABLE report_findings AS
  SELECT severity, code, tensor, message
  FROM safetensors_check((SELECT value FROM temp.sqlite_parameters WHERE key = ':path'))
  UNION ALL SELECT 'warning', 'nan', name, printf('%,d of %,d elements %s NaN', n_nan, numel, iif(n_nan = 1, 'is', 'are')) FROM report_tensors WHERE n_nan > 0
  UNION ALL SELECT 'warning', 'infinite', name, printf('%,d of %,d elements %s infinite', n_inf, numel, iif(n_inf = 1, 'is', 'are')) FROM report_tensors WHERE n_inf > 0
  UNION ALL SELECT 'advice', 'all-zero', name, 'all elements are 0' FROM report_tensors WHERE n_zero = numel AND numel > 1;
SELECT '<p class="good">None: the reference implementation loads it, and all values are finite.</p>'
WHERE NOT EXISTS (SELECT 1 FROM report_findings);
SELECT '<div class="scroll"><table><tr><th>severity<th>code<th>tensor<th>message' WHERE EXISTS (SELECT 1 FROM report_findings);
SELECT '<tr><td class="' || severity || '">' || severity || '<td style="white-space:nowrap">' || code || '<td><bdi>' ||
       replace(replace(ifnull(tensor, ''), '&', '&amp;'), '<', '&lt;') || '</bdi><td><bdi>' ||
       replace(replace(message, '&', '&amp;'), '<', '&lt;') || '</bdi>'
FROM report_findings ORDER BY instr('error warning advice', severity) LIMIT 12;
SELECT printf('<tr><td>and %,d more', count(*) - 12) FROM report_findings HAVING count(*) > 12;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_findings);

-- ---- What changed since :base ----

CREATE TEMP TABLE report_changes AS
SELECT name, replace(replace(replace(name, '&', '&amp;'), '<', '&lt;'), '"', '&quot;') AS html, status, dtype_a, dtype_b,
       shape_a, shape_b, n_diff, max_abs_diff, rel_l2, cosine, layer, numel, l2_a, l2_diff
FROM safetensors_diff((SELECT value FROM temp.sqlite_parameters WHERE key = ':base'),
                      (SELECT value FROM temp.sqlite_parameters WHERE key = ':path'));
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

-- By layer: the length of all differences, relative to that of the base.
WITH layers AS (
  SELECT layer, sqrt(sum(l2_diff * l2_diff) / nullif(sum(l2_a * l2_a), 0)) AS change
  FROM report_changes WHERE layer IS NOT NULL AND l2_diff IS NOT NULL GROUP BY layer
),
scaled AS (SELECT *, max(change) OVER () AS top, count(*) OVER () AS n, row_number() OVER (ORDER BY layer) - 1 AS i FROM layers)
SELECT iif(i = 0, '<div class="card"><b>Change by layer</b><small>relative L2 of layers ' || min(layer) OVER () || ' to ' || max(layer) OVER () || ', up to ' || printf('%.3g', top) ||
           '</small><svg viewBox="0 0 960 80" preserveAspectRatio="none" style="height:6rem">', '') ||
       printf('<rect class="k1" x="%.2f" y="%.2f" width="%.2f" height="%.2f"><title>layer %d: %.4g</title></rect>',
              960.0 * i / n, 80 - 80 * ifnull(change / nullif(top, 0), 0), 960.0 / n, 80 * ifnull(change / nullif(top, 0), 0), layer, change) ||
       iif(i = n - 1, '</svg></div>', '')
FROM scaled WHERE top > 0 ORDER BY i;

SELECT '<div class="scroll"><table><tr><th>tensor<th>status<th class="n">relative L2<th class="n">largest<th class="n">elements<th class="n">cosine'
WHERE EXISTS (SELECT 1 FROM report_changes WHERE status <> 'same');
SELECT printf('<tr><td><bdi>%s</bdi><td>%s<td class="n">%s<td class="n">%s<td class="n">%s<td class="n">%s', html,
              CASE status WHEN 'retyped' THEN dtype_a || ' to ' || dtype_b WHEN 'reshaped' THEN shape_a || ' to ' || shape_b
                          WHEN 'only_a' THEN 'only in the base' WHEN 'only_b' THEN 'new' ELSE status END,
              iif(rel_l2 IS NULL, '', printf('%.3g', rel_l2)), iif(max_abs_diff IS NULL, '', printf('%.3g', max_abs_diff)),
              iif(n_diff IS NULL, '', printf('%.1f%%', 100.0 * n_diff / max(1, numel))),
              iif(cosine IS NULL, '', printf('%.6f', cosine)))
FROM report_changes WHERE status <> 'same' ORDER BY rel_l2 IS NULL, rel_l2 DESC, name LIMIT 30;
SELECT printf('<tr><td>and %,d more', count(*) - 30) FROM report_changes WHERE status <> 'same' HAVING count(*) > 30;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_changes WHERE status <> 'same');

-- ---- Parameters by module: layers across, modules down ----

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

-- Bars of modules and dtypes.
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

CREATE TEMP TABLE report_metadata AS
SELECT replace(replace(key, '&', '&amp;'), '<', '&lt;') AS key,
       replace(replace(substr(value, 1, 300), '&', '&amp;'), '<', '&lt;') || iif(length(value) > 300, '…', '') AS value
FROM safetensors_metadata((SELECT value FROM temp.sqlite_parameters WHERE key = ':path')) LIMIT 100;
SELECT '<h2>Metadata</h2><div class="scroll"><table>' WHERE EXISTS (SELECT 1 FROM report_metadata);
SELECT '<tr><td><bdi>' || key || '</bdi><td><bdi>' || value || '</bdi>' FROM report_metadata;
SELECT '</table></div>' WHERE EXISTS (SELECT 1 FROM report_metadata);

SELECT '<p style="margin-top:2rem">' || safetensors_version() || '</p>
</body>
</html>';
