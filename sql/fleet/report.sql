-- What is on the machines, on one HTML page?
--
-- Writes a page about a catalogue: NaN and what cannot be read first, then copies and what they cost, which file came
-- from which, architectures, dtypes, and the nodes with the age of their last look. The page is one file with a light
-- and a dark theme, for any width; it runs no scripts and asks nothing of the network.
--
-- The answers are the views that `fleet questions` puts into the catalogue, which must have been run. Lists are cut;
-- the page says how many rows are missing, and the views have them all.
--
-- @param title text Fleet     the heading
-- @param format enum text|json|csv  the page, or the table behind it
-- @database                   nothing: the catalogue is only read
-- @table fleet_report(files, nodes, nbytes, layouts, copies, frees, tunes, nan_files, bad, unread)   one row: what the
--    page begins with
-- @prints html
-- @example safetensors-sql fleet report --database part.db --output fleet.html

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  title TEXT, format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT ifnull(:title, 'Fleet'), ifnull(:format, 'text') WHERE safetensors_parameters(':title', ':format');
.mode list
.headers off

DROP TABLE IF EXISTS temp.fleet_report_needs;
CREATE TEMP TABLE fleet_report_needs(views INTEGER CONSTRAINT "the database is a catalogue with questions (fleet questions)" CHECK (views = 8));
INSERT INTO fleet_report_needs
SELECT count(*) FROM sqlite_schema
WHERE type = 'view' AND name IN ('copies', 'sharing', 'lineage', 'nan_census', 'architectures', 'dtypes', 'changes', 'nodes');

DROP TABLE IF EXISTS temp.fleet_report_copies;
CREATE TEMP TABLE fleet_report_copies AS SELECT c.*, sum(frees) OVER (PARTITION BY set_number) AS total FROM copies AS c;
DELETE FROM fleet_report_copies WHERE total = 0;
DROP TABLE IF EXISTS temp.fleet_report_lineage;
CREATE TEMP TABLE fleet_report_lineage AS SELECT node || ':' || path AS name, base_node || ':' || base_path AS base, shared, norm_change FROM lineage;
CREATE INDEX temp.fleet_report_lineage_by_base ON fleet_report_lineage(base);
DROP TABLE IF EXISTS temp.fleet_report_nan;
CREATE TEMP TABLE fleet_report_nan AS SELECT * FROM nan_census;
DROP TABLE IF EXISTS temp.fleet_report;
CREATE TEMP TABLE fleet_report AS
SELECT ifnull(sum(files), 0) AS files, count(*) AS nodes, ifnull(sum(nbytes), 0) AS nbytes, (SELECT count(*) FROM architectures) AS layouts,
       (SELECT count(*) FROM fleet_report_copies WHERE frees > 0) AS copies, (SELECT ifnull(sum(frees), 0) FROM fleet_report_copies) AS frees,
       (SELECT count(*) FROM fleet_report_lineage) AS tunes, (SELECT count(*) FROM fleet_report_nan) AS nan_files, ifnull(sum(bad), 0) AS bad,
       ifnull(sum(unread), 0) AS unread
FROM nodes;
SELECT safetensors_print(format, 'fleet_report') FROM parameters WHERE format <> 'text';

-- What came from what: each tree begins with a file that has no base.
DROP TABLE IF EXISTS temp.fleet_report_tree;
CREATE TEMP TABLE fleet_report_tree AS
WITH RECURSIVE tree(name, depth, how, place) AS (
  SELECT base, 0, NULL, min(base) FROM fleet_report_lineage WHERE base NOT IN (SELECT name FROM fleet_report_lineage) GROUP BY base
  UNION ALL
  SELECT l.name, t.depth + 1, iif(l.shared > 0, printf('%.1f%% of its bytes', 100 * l.shared), printf('norms %.1f%% apart', 100 * l.norm_change)), NULL
  FROM tree AS t JOIN fleet_report_lineage AS l ON l.base = t.name WHERE t.depth < 50
  ORDER BY 2 DESC
)
SELECT name, depth, how FROM tree;

DROP TABLE IF EXISTS temp.fleet_report_page;
CREATE TEMP TABLE fleet_report_page(place INTEGER PRIMARY KEY, html TEXT, list TEXT);
INSERT INTO fleet_report_page(html)
SELECT safetensors_page(title) || printf('<header><h1>%s</h1><p class="note">%,d files of %,d nodes</p></header><div class="verdict %s"><b>%s</b>', safetensors_html(title), files, nodes,
              CASE WHEN nan_files > 0 THEN 'error' WHEN bad + copies + unread > 0 THEN 'warning' ELSE 'ok' END,
              CASE WHEN nan_files > 0 THEN '&#10005; Some models have NaN' WHEN bad + copies + unread > 0 THEN '! Look at this' ELSE '&#10003; Nothing stands out' END) ||
       iif(nan_files > 0, printf('<span>%,d %s NaN.</span>', nan_files, iif(nan_files = 1, 'file has', 'files have')), '') ||
       iif(bad > 0, printf('<span>%,d %s be read.</span>', bad, iif(bad = 1, 'file cannot', 'files cannot')), '') ||
       iif(copies > 0, printf('<span>%,d %s %s.</span>', copies, iif(copies = 1, 'copy takes', 'copies take'), safetensors_pretty(frees, 'B')), '') ||
       iif(unread > 0, printf('<span>Of %,d %s the bytes have not all been read, so NaN and copies among them are not known.</span>', unread, iif(unread = 1, 'file', 'files')), '') ||
       '</div><div class="facts">' || printf('<div><b>%,d</b><small>files</small></div><div><b>%s</b><small>of tensors</small></div>', files, safetensors_pretty(nbytes, 'B')) ||
       printf('<div><b>%,d</b><small>layouts</small></div><div><b>%,d</b><small>with a base</small></div>', layouts, tunes) ||
       printf('<div><b>%s</b><small>in copies</small></div><div><b>%,d</b><small>with NaN</small></div></div>', safetensors_pretty(frees, 'B'), nan_files)
FROM fleet_report, parameters;

INSERT INTO fleet_report_page(html)
SELECT '<h2>NaN</h2><table class="list"><thead><tr><th>file</th><th>first tensor</th><th class="n">tensors</th><th class="n">NaNs</th></tr></thead><tbody>'
FROM fleet_report_nan LIMIT 1;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td data-is="first"><code>%s</code></td><td class="n" data-is="tensors">%,d</td><td class="n error" data-is="NaNs">%,d</td></tr>',
              safetensors_html(node || ':' || path), safetensors_html(first), tensors, n_nan), 'nan'
FROM fleet_report_nan;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report_nan LIMIT 1;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Cannot be read</h2><table class="list"><thead><tr><th>file</th><th>why</th></tr></thead><tbody>' FROM fleet_report WHERE bad > 0;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td>%s</td></tr>', safetensors_html(node || ':' || path), safetensors_html(ifnull(error, status))), 'bad'
FROM file WHERE status IN ('invalid', 'missing') ORDER BY node, path;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report WHERE bad > 0;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Copies</h2><p class="note">Files with the same tensors, names and bytes. The first of each set is kept.</p><table class="list"><thead><tr><th>file</th><th class="n">frees</th><th class="wide"></th></tr></thead><tbody>'
FROM fleet_report_copies LIMIT 1;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td class="n" data-is="%s">%s</td><td class="wide">%s</td></tr>', safetensors_html(node || ':' || path),
              CASE WHEN keep THEN 'kept' ELSE 'frees' END,
              CASE WHEN keep THEN printf('set %,d: kept', set_number) WHEN frees = 0 THEN 'a link' ELSE safetensors_pretty(frees, 'B') END,
              iif(frees > 0, printf('<span class="bar" style="width:%.1f%%"></span>', 100.0 * frees / most), '')), 'copies'
FROM (SELECT c.*, max(frees) OVER () AS most FROM fleet_report_copies AS c) ORDER BY set_number, keep DESC, frees DESC, node, path;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report_copies LIMIT 1;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Lineage</h2><p class="note">Each below the older file that it shares most bytes with, else below that of its layout whose norms are nearest.</p><table class="list"><thead><tr><th>file</th><th class="n">it has from its base</th></tr></thead><tbody>'
FROM fleet_report_tree LIMIT 1;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td style="padding-left:%.1frem">%s<code>%s</code></td><td class="n">%s</td></tr>', 1.4 * min(depth, 12), iif(depth > 0, '&#8627; ', ''),
              safetensors_html(name), ifnull(how, '')), 'lineage'
FROM fleet_report_tree ORDER BY rowid;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report_tree LIMIT 1;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Architectures</h2><p class="note">Files whose tensors have the same names, dtypes, shapes and order.</p><table class="list"><thead><tr><th>example</th><th>dtypes</th><th class="n">files</th><th class="n">tensors</th><th class="n">layers</th><th class="n">bytes</th><th class="wide"></th></tr></thead><tbody>'
FROM fleet_report WHERE layouts > 0;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td><code>%s</code></td><td>%s</td><td class="n" data-is="files">%,d</td><td class="n" data-is="tensors">%,d</td><td class="n" data-is="layers">%,d</td><td class="n">%s</td><td class="wide"><span class="bar" style="width:%.1f%%"></span></td></tr>',
              safetensors_html(example), safetensors_html(ifnull(dtypes, '')), files, tensors, ifnull(layers, 0), safetensors_pretty(nbytes, 'B'), 100.0 * nbytes / max(1, most)),
       'architectures'
FROM (SELECT a.*, max(nbytes) OVER () AS most FROM architectures AS a) ORDER BY nbytes DESC;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report WHERE layouts > 0;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Dtypes</h2><table class="list"><thead><tr><th>dtype</th><th class="n">tensors</th><th class="n">bytes</th><th class="wide"></th></tr></thead><tbody>' FROM fleet_report WHERE layouts > 0;
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td>%s</td><td class="n" data-is="tensors">%,d</td><td class="n">%s</td><td class="wide"><span class="bar" style="width:%.1f%%"></span></td></tr>',
              safetensors_html(dtype), tensors, safetensors_pretty(nbytes, 'B'), 100.0 * nbytes / max(1, most)), 'dtypes'
FROM (SELECT d.*, max(nbytes) OVER () AS most FROM dtypes AS d) ORDER BY nbytes DESC;
INSERT INTO fleet_report_page(html) SELECT '</tbody></table>' FROM fleet_report WHERE layouts > 0;

INSERT INTO fleet_report_page(html)
SELECT '<h2>Nodes</h2><table class="list"><thead><tr><th>node</th><th>folder</th><th>last look (UTC)</th><th class="n">hours ago</th><th class="n">files</th><th class="n">bad</th><th class="n">gone</th><th class="n">bytes</th></tr></thead><tbody>';
INSERT INTO fleet_report_page(html, list)
SELECT printf('<tr><td><b>%s</b></td><td><code>%s</code></td><td class="w">%s</td><td class="n" data-is="hours ago">%.1f</td><td class="n" data-is="files">%,d</td><td class="n" data-is="bad">%,d</td><td class="n" data-is="gone">%,d</td><td class="n">%s</td></tr>',
              safetensors_html(node), safetensors_html(root), look, hours, ifnull(files, 0), ifnull(bad, 0), ifnull(gone, 0), safetensors_pretty(ifnull(nbytes, 0), 'B')), 'nodes'
FROM nodes;
INSERT INTO fleet_report_page(html) VALUES ('</tbody></table>');
INSERT INTO fleet_report_page(html) VALUES ('<footer><p class="note">' || safetensors_version() || '</p></footer>
</body>
</html>');

-- Of each list at most 40 rows and 30 kB.
SELECT CASE WHEN list IS NULL OR n <= 40 AND (bytes <= 30000 OR n = 1) THEN html
            WHEN n = of THEN printf('<tr><td class="soft">and more, of %,d in all</td></tr>', of) END
FROM (SELECT p.*, row_number() OVER w AS n, count(*) OVER (PARTITION BY list) AS of, sum(length(html)) OVER w AS bytes
      FROM fleet_report_page AS p WINDOW w AS (PARTITION BY list ORDER BY place)), parameters
WHERE format = 'text' AND (list IS NULL OR n <= 40 AND (bytes <= 30000 OR n = 1) OR n = of) ORDER BY place;
