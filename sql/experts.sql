-- Stacks a mixture's experts in one tensor, or unstacks them.
--
-- To stack makes one tensor of layers.0.mlp.experts.0.up_proj.weight, …experts.1… and so on, with a new first
-- dimension: layers.0.mlp.experts.up_proj.weight. To unstack is the way back: each tensor below `experts` whose name
-- does not go on with a number becomes one for each expert. Nothing else changes, and no value is computed. To join
-- gate and up, run `fuse` before or after.
--
-- Tensors stay as they are, and are listed, if numbers are missing, if dtypes or shapes differ from expert to expert,
-- or if the tensors of a module are not for the same number of experts. Packed weights and their scales are stacked as
-- they are, each in a tensor of its own.
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, or an index (*.safetensors.index.json); replaced if it is there
-- @param direction enum stack|unstack   what to do
-- @param part text experts    the part of a name that the number follows
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param format enum text|json|csv   how to print what was done
-- @table restacked(name, source, expert, dtype, shape)   one row per expert and tensor: its own name is `name` if they
--    are unstacked, and else `source`
-- @table not_restacked(name, why)   one row per stacked tensor, or that would be one, that stays as it is
-- @status 1                   when there are no experts to stack or unstack; then nothing is written
-- @writes out
-- @example safetensors-sql experts moe.safetensors stacked.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  direction TEXT CONSTRAINT ":direction is stack or unstack" CHECK (direction IN ('stack', 'unstack')),
  part TEXT CONSTRAINT ":part is a name without points" CHECK (part <> '' AND instr(part, '.') = 0),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json'),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv')),
  models INTEGER CONSTRAINT ":path is one model" CHECK (models < 2)
);
INSERT INTO parameters
  SELECT :path, :out, ifnull(:direction, 'stack'), ifnull(:part, 'experts'), :limit, ifnull(:format, 'text'),
         (SELECT count(*) FROM safetensors_models(:path))
  WHERE safetensors_parameters(':path', ':out', ':direction', ':part', ':limit', ':format');

DROP TABLE IF EXISTS temp.expert_tensors;
CREATE TEMP TABLE expert_tensors AS
  SELECT t.name, t.dtype, t.shape, t.ref, json_extract(t.shape, '$[0]') AS "rows",
         iif(instr('.' || t.name, '.' || p.part || '.') = 0, NULL,
             substr(t.name, 1, instr('.' || t.name, '.' || p.part || '.') + length(p.part))) AS module
  FROM parameters AS p, safetensors_tensors(:path) AS t;
-- Of module || after, `expert` is the number with which `after` begins, and `rest` what comes then; of a stacked one it
-- is NULL, and `rest` is all of it.
DROP TABLE IF EXISTS temp.expert_names;
CREATE TEMP TABLE expert_names AS
  SELECT name, dtype, shape, ref, "rows", module, CAST(iif(is_one, digits, NULL) AS INTEGER) AS expert,
         iif(is_one, substr("after", length(digits) + 2), "after") AS rest
  FROM (SELECT *, digits <> '' AND substr("after", length(digits) + 1, 1) = '.'
                  AND digits = CAST(CAST(digits AS INTEGER) AS TEXT) AS is_one
        FROM (SELECT *, substr("after", 1, length("after") - length(ltrim("after", '0123456789'))) AS digits
              FROM (SELECT *, substr(name, length(module) + 1) AS "after" FROM expert_tensors WHERE module IS NOT NULL)));
CREATE INDEX temp.expert_names_by_module ON expert_names(module, rest, expert);

DROP TABLE IF EXISTS temp.expert_stacks;
CREATE TEMP TABLE expert_stacks AS
  SELECT e.module || e.rest AS name, CASE
           WHEN e.experts < c.experts THEN printf('%,d of %,d experts', e.experts, c.experts)
           WHEN e.highest <> e.experts - 1 THEN printf('numbers up to %,d, of %,d experts', e.highest, e.experts)
           WHEN e.dtypes > 1 THEN 'dtypes differ' WHEN e.shapes > 1 THEN 'shapes differ'
           WHEN EXISTS (SELECT 1 FROM expert_names AS s WHERE s.module = e.module AND s.rest = e.rest AND s.expert IS NULL)
           THEN 'is there already' END AS why, e.module, e.rest
  FROM parameters AS p,
    (SELECT module, rest, count(*) AS experts, max(expert) AS highest, count(DISTINCT dtype) AS dtypes, count(DISTINCT shape) AS shapes
     FROM expert_names WHERE expert IS NOT NULL GROUP BY module, rest) AS e
    JOIN (SELECT module, count(DISTINCT expert) AS experts FROM expert_names GROUP BY module) AS c USING (module)
  WHERE p.direction = 'stack'
  UNION ALL
  SELECT e.name, CASE
           WHEN e."rows" IS NULL THEN 'a scalar' WHEN e."rows" = 0 THEN 'no experts'
           WHEN e."rows" > 65536 THEN 'more than 65,536 rows'
           WHEN c.different > 1 THEN printf('%,d rows, others not', e."rows")
           WHEN EXISTS (SELECT 1 FROM expert_names AS s WHERE s.module = e.module AND s.rest = e.rest AND s.expert IS NOT NULL)
           THEN 'experts are there already' END, e.module, e.rest
  FROM parameters AS p, expert_names AS e
    JOIN (SELECT module, count(DISTINCT "rows") AS different FROM expert_names WHERE expert IS NULL GROUP BY module) AS c USING (module)
  WHERE p.direction = 'unstack' AND e.expert IS NULL;

CREATE TEMP VIEW IF NOT EXISTS not_restacked AS SELECT name, why FROM expert_stacks WHERE why IS NOT NULL;
DROP TABLE IF EXISTS temp.expert_results;
CREATE TEMP TABLE expert_results AS
  WITH RECURSIVE numbers(expert) AS (
    SELECT 0 UNION ALL SELECT expert + 1 FROM numbers WHERE expert + 1 < (
      SELECT max(e."rows") FROM expert_stacks AS n JOIN expert_names AS e USING (module, rest) WHERE n.why IS NULL AND e.expert IS NULL))
  SELECT e.module || e.rest AS name, e.name AS source, e.expert, e.dtype, replace('[' || c.experts || ',' || substr(e.shape, 2), ',]', ']') AS shape, e.ref
  FROM parameters AS p, expert_stacks AS n JOIN expert_names AS e USING (module, rest)
    JOIN (SELECT module, rest, count(*) AS experts FROM expert_names WHERE expert IS NOT NULL GROUP BY module, rest) AS c
      USING (module, rest)
  WHERE p.direction = 'stack' AND n.why IS NULL AND e.expert IS NOT NULL
  UNION ALL
  SELECT e.module || i.expert || '.' || e.rest, e.name, i.expert, e.dtype, json_remove(e.shape, '$[0]'), e.ref
  FROM parameters AS p, expert_stacks AS n JOIN expert_names AS e USING (module, rest) JOIN numbers AS i ON i.expert < e."rows"
  WHERE p.direction = 'unstack' AND n.why IS NULL AND e.expert IS NULL
  ORDER BY 1, 3;
CREATE TEMP VIEW IF NOT EXISTS restacked AS SELECT name, source, expert, dtype, shape FROM expert_results;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'there are no experts to stack or unstack');
END;
INSERT INTO verdict SELECT count(*) FROM restacked;

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, value, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, ref AS value FROM expert_tensors WHERE name NOT IN (SELECT source FROM restacked)
        UNION ALL SELECT name, tensors_stack(ref, expert) FROM expert_results
        WHERE (SELECT direction = 'stack' FROM parameters) GROUP BY name
        UNION ALL SELECT name, tensor_slice(ref, CAST(expert AS TEXT)) FROM expert_results
        WHERE (SELECT direction = 'unstack' FROM parameters));

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'restacked', 'not_restacked') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensors %s %,d, into %s.', (SELECT count(DISTINCT source) FROM restacked),
              iif(p.direction = 'stack', 'stacked to', 'unstacked to'), (SELECT count(DISTINCT name) FROM restacked), safetensors_label(p.out))
FROM as_text, parameters AS p;
SELECT printf('warning: %,d %s as %s.', count(*), iif(count(*) = 1, 'stack stays', 'stacks stay'), iif(count(*) = 1, 'it was', 'they were'))
FROM as_text, not_restacked HAVING count(*) > 0;

SELECT char(10) || '== Left as they are' FROM as_text WHERE EXISTS (SELECT 1 FROM not_restacked);
.mode column
.headers on
SELECT why, safetensors_label(name) AS name FROM as_text, expert_stacks AS n WHERE n.why IS NOT NULL ORDER BY n.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, not_restacked HAVING count(*) > 20;

SELECT char(10) || '== Experts' FROM as_text;
.mode column
.headers on
SELECT printf('%,7d', experts) AS experts, safetensors_label(dtype) AS dtype, safetensors_label(shape) AS shape, safetensors_label(name) AS name
FROM (SELECT iif(p.direction = 'stack', r.name, r.source) AS name, count(*) AS experts, min(r.dtype) AS dtype, min(r.shape) AS shape
      FROM as_text, parameters AS p, expert_results AS r GROUP BY 1 ORDER BY min(r.rowid) LIMIT 20);
.mode list
.headers off
SELECT printf('and %,d more', n - 20) FROM as_text, (
  SELECT count(DISTINCT iif(p.direction = 'stack', r.name, r.source)) AS n FROM parameters AS p, restacked AS r) WHERE n > 20;
