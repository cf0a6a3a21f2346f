-- Joins projections into one: q, k, v, and gate, up.
--
-- Each module of the parts, as q_proj, k_proj and v_proj, becomes one module beside them, whose weight and bias are
-- theirs, one after the other along the outputs. These are the last but one dimension of a weight, so that stacked
-- experts are joined as well, and the last one with --transposed and of a bias. Nothing else changes, and no value is
-- computed. `split` is the way back.
--
-- Modules stay as they are, and are listed, if a part is missing, if dtypes or shapes do not fit, or if there is more
-- in them than a weight and a bias: scales and packed weights are joined in other ways. Layouts in which q, k and v
-- alternate by heads, as of GPT-NeoX, are not what this makes.
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, or an index (*.safetensors.index.json); replaced if it is there
-- @param modules text       what is joined, a JSON object: the new name, and those of the parts. Without it,
--    {"qkv_proj": ["q_proj", "k_proj", "v_proj"], "gate_up_proj": ["gate_proj", "up_proj"]}
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param transposed flag      weights are [inputs, outputs], as those of GPT-2
-- @param format enum text|json|csv   how to print what was done
-- @table fused(name, parts, dtype, shape)   one row per new tensor; parts is a JSON array of names
-- @table not_fused(module, why)   one row per module with a part that stays as it is
-- @status 1                   when there is nothing to join; then nothing is written
-- @writes out
-- @example safetensors-sql fuse model.safetensors fused.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  modules TEXT CONSTRAINT ":modules is a JSON object" CHECK (json_valid(modules) AND json_type(modules) = 'object'),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json'),
  transposed INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv')),
  models INTEGER CONSTRAINT ":path is one model" CHECK (models < 2)
);
INSERT INTO parameters
  SELECT :path, :out, ifnull(:modules, '{"qkv_proj":["q_proj","k_proj","v_proj"],"gate_up_proj":["gate_proj","up_proj"]}'), :limit,
         ifnull(:transposed, 0), ifnull(:format, 'text'), (SELECT count(*) FROM safetensors_models(:path))
  WHERE safetensors_parameters(':path', ':out', ':modules', ':limit', ':transposed', ':format');

DROP TABLE IF EXISTS temp.fuse_parts;
CREATE TEMP TABLE fuse_parts(
  becomes TEXT, parts INTEGER CONSTRAINT ":modules has arrays of two names or more" CHECK (parts > 1), position INTEGER,
  part TEXT CONSTRAINT ":modules has names of parts, without points" CHECK (part <> '' AND instr(part, '.') = 0)
);
INSERT INTO fuse_parts
  SELECT m.key, iif(m.type = 'array', json_array_length(m.value), 0), a.key, iif(a.type = 'text', a.value, '')
  FROM parameters AS p, json_each(p.modules) AS m LEFT JOIN json_each(iif(m.type = 'array', m.value, '[]')) AS a;

-- Each tensor of a part: what its name has before the part, and after it.
DROP TABLE IF EXISTS temp.fuse_tensors;
CREATE TEMP TABLE fuse_tensors AS
  SELECT t.name, t.dtype, t.shape, t.ref, p.becomes, p.parts, p.position, p.part,
         substr(t.name, 1, instr('.' || t.name || '.', '.' || p.part || '.') - 1) AS "before",
         substr(t.name, instr('.' || t.name || '.', '.' || p.part || '.') + length(p.part)) AS "after", json_array_length(t.shape) AS rank
  FROM safetensors_tensors(:path) AS t JOIN fuse_parts AS p ON instr('.' || t.name || '.', '.' || p.part || '.') > 0;
DROP TABLE IF EXISTS temp.fuse_joined;
CREATE TEMP TABLE fuse_joined AS
  SELECT *, max(0, rank - iif("after" = '.bias' OR p_transposed, 1, 2)) AS axis
  FROM (SELECT t.*, p.transposed AS p_transposed FROM parameters AS p, fuse_tensors AS t);

DROP TABLE IF EXISTS temp.fuse_modules;
CREATE TEMP TABLE fuse_modules AS
  SELECT "before" || becomes AS module, CASE
           WHEN min("after" IN ('.weight', '.bias', '')) = 0
           THEN 'has ' || min(ltrim("after", '.')) FILTER (WHERE "after" NOT IN ('.weight', '.bias', ''))
           WHEN count(DISTINCT position) < max(parts) THEN 'lacks ' || (
             SELECT group_concat(part, ', ') FROM fuse_parts AS p WHERE p.becomes = j.becomes AND p.part NOT IN (
               SELECT o.part FROM fuse_joined AS o WHERE o.becomes = j.becomes AND o."before" = j."before"))
           WHEN count(*) <> max(parts) * count(DISTINCT "after") THEN 'not all parts have a ' || (
             SELECT replace("after", '.', '') FROM fuse_joined AS o WHERE o.becomes = j.becomes AND o."before" = j."before"
             GROUP BY "after" HAVING count(*) < o.parts)
           WHEN count(DISTINCT dtype) > 1 THEN 'other dtypes: ' || group_concat(DISTINCT dtype)
           WHEN count(DISTINCT dtype) = 1 AND min(dtype IN ('F64', 'F32', 'F16', 'BF16')) = 0 THEN 'no floats: ' || min(dtype)
           WHEN min(rank) = 0 THEN 'a scalar'
           WHEN count(DISTINCT "after" || json_remove(shape, '$[' || axis || ']')) > count(DISTINCT "after") THEN 'other shapes'
           WHEN EXISTS (SELECT 1 FROM safetensors_tensors(:path) AS t WHERE t.name IN (
             SELECT o."before" || o.becomes || o."after" FROM fuse_joined AS o WHERE o.becomes = j.becomes AND o."before" = j."before"))
           THEN 'is there already' END AS why, becomes, "before"
  FROM fuse_joined AS j GROUP BY becomes, "before";

CREATE TEMP VIEW IF NOT EXISTS not_fused AS SELECT module, why FROM fuse_modules WHERE why IS NOT NULL;
DROP TABLE IF EXISTS temp.fuse_results;
CREATE TEMP TABLE fuse_results AS
  SELECT "before" || becomes || "after" AS name, json_group_array(name) AS parts, dtype,
         json_set(shape, '$[' || axis || ']', sum(json_extract(shape, '$[' || axis || ']'))) AS shape, axis, json_group_array(ref) AS refs,
         becomes
  FROM (SELECT j.* FROM fuse_joined AS j JOIN fuse_modules AS n USING (becomes, "before") WHERE n.why IS NULL ORDER BY j.position)
  GROUP BY becomes, "before", "after";
CREATE TEMP VIEW IF NOT EXISTS fused AS SELECT name, parts, dtype, shape FROM fuse_results;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'there is nothing to join');
END;
INSERT INTO verdict SELECT count(*) FROM fused;

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, value, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, ref AS value FROM safetensors_tensors(:path)
        WHERE name NOT IN (SELECT j.value FROM fused AS f, json_each(f.parts) AS j)
        UNION ALL SELECT name, tensor_concat(axis, refs) FROM fuse_results);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'fused', 'not_fused') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensors joined to %,d, into %s.', (SELECT count(*) FROM fused AS f, json_each(f.parts)), (SELECT count(*) FROM fused),
              safetensors_label(p.out)) FROM as_text, parameters AS p;
SELECT printf('warning: %,d %s as %s.', count(*), iif(count(*) = 1, 'module stays', 'modules stay'), iif(count(*) = 1, 'it was', 'they were'))
FROM as_text, not_fused HAVING count(*) > 0;

SELECT char(10) || '== Not joined' FROM as_text WHERE EXISTS (SELECT 1 FROM not_fused);
.mode column
.headers on
SELECT why, safetensors_label(module) AS module FROM as_text, fuse_modules AS n WHERE n.why IS NOT NULL ORDER BY n.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, not_fused HAVING count(*) > 20;

SELECT char(10) || '== Joined' FROM as_text;
.mode column
.headers on
SELECT printf('%,7d', count(*)) AS tensors, safetensors_label(min(dtype)) AS dtype, printf('%,6d', count(DISTINCT shape)) AS shapes,
       safetensors_label(min(shape)) AS such_as, safetensors_label(becomes) AS module
FROM as_text, fuse_results AS f GROUP BY f.becomes ORDER BY min(f.rowid) LIMIT 20;
