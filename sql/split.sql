-- Takes joined projections apart: qkv, and gate_up.
--
-- The way back from `fuse`: the weight and bias of a joined module become those of its parts, along the outputs. These
-- are the last but one dimension of a weight, and the last one with --transposed and of a bias. The parts of q, k and
-- v are as large as config.json beside the checkpoint says by num_attention_heads and num_key_value_heads, or as
-- --sizes says; other parts are equal. What is of vision or audio, by its name, has its own part of config.json.
-- Nothing else changes, and no value is computed.
--
-- Modules stay as they are, and are listed, if the sizes are not known or do not fit, if outputs or inputs are not as
-- many as config.json says, or if there is more in them than a weight and a bias. Layouts in which q, k and v alternate
-- by heads, as of GPT-NeoX, are not what this takes apart.
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, or an index (*.safetensors.index.json); replaced if it is there
-- @param modules text       what is taken apart, a JSON object: the joined name, and those of the parts. Without it,
--    {"qkv_proj": ["q_proj", "k_proj", "v_proj"], "gate_up_proj": ["gate_proj", "up_proj"]}
-- @param sizes text           the proportions of the parts, a JSON object such as {"qkv_proj":[32,8,8]}
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param transposed flag      weights are [inputs, outputs], as those of GPT-2
-- @param format enum text|json|csv   how to print what was done
-- @table parts(name, source, dtype, shape)   one row per new tensor, and the joined one that it is a part of
-- @table not_split(module, why)   one row per joined module that stays as it is
-- @status 1                   when there is nothing to take apart; then nothing is written
-- @writes out
-- @example safetensors-sql split fused.safetensors apart.safetensors --sizes '{"qkv_proj":[2,1,1]}'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  modules TEXT CONSTRAINT ":modules is a JSON object" CHECK (json_valid(modules) AND json_type(modules) = 'object'),
  sizes TEXT CONSTRAINT ":sizes is a JSON object" CHECK (sizes IS NULL OR json_valid(sizes) AND json_type(sizes) = 'object'),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json'),
  transposed INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv')),
  models INTEGER CONSTRAINT ":path is one model" CHECK (models < 2)
);
INSERT INTO parameters
  SELECT :path, :out, ifnull(:modules, '{"qkv_proj":["q_proj","k_proj","v_proj"],"gate_up_proj":["gate_proj","up_proj"]}'), :sizes,
         :limit, ifnull(:transposed, 0), ifnull(:format, 'text'), (SELECT count(*) FROM safetensors_models(:path))
  WHERE safetensors_parameters(':path', ':out', ':modules', ':sizes', ':limit', ':transposed', ':format');

DROP TABLE IF EXISTS temp.split_tensors;
CREATE TEMP TABLE split_tensors AS SELECT name, dtype, shape, ref, file FROM safetensors_tensors(:path);
-- What config.json says of the towers that a model may have.
DROP TABLE IF EXISTS temp.split_config;
CREATE TEMP TABLE split_config AS
  SELECT *, (heads + 2 * kv_heads) * ifnull(head_size, inputs / heads) AS outputs
  FROM (SELECT tower, config ->> '$.num_attention_heads' AS heads, config ->> '$.hidden_size' AS inputs, config ->> '$.head_dim' AS head_size,
               ifnull(config ->> '$.num_key_value_heads', config ->> '$.num_attention_heads') AS kv_heads
        FROM (SELECT t.value AS tower, coalesce(iif(t.value <> 'text' OR config ->> '$.num_attention_heads' IS NULL,
                                                    config -> ('$.' || t.value || '_config'), NULL),
                                                iif(t.value = 'text' OR config -> '$.text_config' IS NULL, config, '{}')) AS config
              FROM (SELECT iif(json_valid(config), config, '{}') AS config
                    FROM (SELECT iif(file LIKE '%://%', (SELECT m.config FROM safetensors_models(file) AS m),
                                      CAST(readfile(rtrim(file, replace(file, '/', '')) || 'config.json') AS TEXT)) AS config
                          FROM split_tensors LIMIT 1)), json_each('["text","vision","audio"]') AS t));

-- The parts and their proportions in each tower. A size that is not known is NULL, and so are the outputs and inputs of
-- the module.
DROP TABLE IF EXISTS temp.split_parts;
CREATE TEMP TABLE split_parts(
  tower TEXT, joined TEXT, parts INTEGER CONSTRAINT ":modules has arrays of two names or more" CHECK (parts > 1), position INTEGER,
  part TEXT CONSTRAINT ":modules has names of parts, without points" CHECK (part <> '' AND instr(part, '.') = 0),
  size INTEGER CONSTRAINT ":sizes has arrays of whole numbers, one for each part"
    CHECK (size IS NULL OR typeof(size) = 'integer' AND size > 0),
  outputs INTEGER, inputs INTEGER
);
INSERT INTO split_parts
  SELECT c.tower, m.key, iif(m.type = 'array', json_array_length(m.value), 0), a.key, iif(a.type = 'text', a.value, ''),
         CASE WHEN s.value IS NOT NULL THEN iif(s.type = 'array' AND json_array_length(s.value) = json_array_length(m.value),
                                                ifnull(json_extract(s.value, '$[' || a.key || ']'), 'none'), 'none')
              WHEN json_array_length(m.value) = 3 AND json_extract(m.value, '$[0]') LIKE 'q%' AND json_extract(m.value, '$[1]') LIKE 'k%'
              THEN iif(a.key = 0, c.heads, c.kv_heads)
              ELSE 1 END,
         CASE WHEN s.value IS NULL AND json_array_length(m.value) = 3 AND json_extract(m.value, '$[0]') LIKE 'q%' AND json_extract(m.value, '$[1]') LIKE 'k%'
              THEN c.outputs END,
         iif(s.value IS NULL AND m.key IN ('qkv_proj', 'gate_up_proj'), c.inputs, NULL)
  FROM parameters AS p, json_each(p.modules) AS m LEFT JOIN split_config AS c
  LEFT JOIN json_each(iif(m.type = 'array', m.value, '[]')) AS a LEFT JOIN json_each(ifnull(p.sizes, '{}')) AS s ON s.key = m.key;

DROP TABLE IF EXISTS temp.split_joined;
CREATE TEMP TABLE split_joined AS
  SELECT *, json_extract(shape, '$[' || axis || ']') AS length,
         iif("after" <> '.bias' AND rank > 1, json_extract(shape, '$[' || iif(transposed, axis - 1, axis + 1) || ']'), inputs) AS found_inputs
  FROM (SELECT *, max(0, rank - iif("after" = '.bias' OR transposed, 1, 2)) AS axis
        FROM (SELECT t.*, s.tower, s.joined, s.whole, s.known, s.outputs, s.inputs, p.transposed, json_array_length(t.shape) AS rank,
                     substr(t.name, 1, instr('.' || t.name || '.', '.' || s.joined || '.') - 1) AS "before",
                     substr(t.name, instr('.' || t.name || '.', '.' || s.joined || '.') + length(s.joined)) AS "after"
              FROM parameters AS p, split_tensors AS t
              JOIN (SELECT tower, joined, sum(size) AS whole, count(size) = count(*) AS known, outputs, inputs
                    FROM split_parts GROUP BY tower, joined) AS s
                ON instr('.' || t.name || '.', '.' || s.joined || '.') > 0
                   AND s.tower = CASE WHEN t.name LIKE '%vision%' OR t.name LIKE '%visual%' THEN 'vision'
                                      WHEN t.name LIKE '%audio%' THEN 'audio' ELSE 'text' END));

DROP TABLE IF EXISTS temp.split_modules;
CREATE TEMP TABLE split_modules AS
  SELECT "before" || joined AS module, CASE
           WHEN min("after" IN ('.weight', '.bias', '')) = 0
           THEN 'has ' || min(ltrim("after", '.')) FILTER (WHERE "after" NOT IN ('.weight', '.bias', ''))
           WHEN min(dtype IN ('F64', 'F32', 'F16', 'BF16')) = 0 THEN 'no floats: ' || min(dtype)
           WHEN NOT max(known) THEN 'sizes not known: --sizes'
           WHEN min(rank) = 0 THEN 'a scalar'
           WHEN max(length % whole) > 0 THEN printf('%d outputs in %d', max(length), max(whole))
           WHEN EXISTS (SELECT 1 FROM split_tensors AS t WHERE t.name = j."before" || j.joined || '_bias') THEN 'has ' || joined || '_bias'
           WHEN max(length <> outputs) THEN printf('%d outputs, not %d: --sizes', max(length), max(outputs))
           WHEN max(found_inputs <> inputs) THEN printf('%d inputs, not %d: --transposed, --sizes', max(found_inputs), max(inputs))
           WHEN EXISTS (SELECT 1 FROM split_joined AS o JOIN split_parts AS s USING (tower, joined) JOIN split_tensors AS t
                          ON t.name = o."before" || s.part || o."after" WHERE o.joined = j.joined AND o."before" = j."before")
           THEN 'parts are there already' END AS why, joined, "before"
  FROM split_joined AS j GROUP BY joined, "before";

CREATE TEMP VIEW IF NOT EXISTS not_split AS SELECT module, why FROM split_modules WHERE why IS NOT NULL;
DROP TABLE IF EXISTS temp.split_results;
CREATE TEMP TABLE split_results AS
  SELECT j."before" || s.part || j."after" AS name, j.name AS source, j.dtype,
         json_set(j.shape, '$[' || j.axis || ']', j.length / j.whole * s.size) AS shape,
         replace(hex(zeroblob(j.axis)), '00', ':, ') || (j.length / j.whole * s."from") || ':'
         || (j.length / j.whole * (s."from" + s.size)) AS slice, j.ref, j.joined
  FROM split_joined AS j JOIN split_modules AS n USING (joined, "before")
  JOIN (SELECT *, sum(size) OVER (PARTITION BY tower, joined ORDER BY position) - size AS "from" FROM split_parts) AS s
    ON s.tower = j.tower AND s.joined = j.joined
  WHERE n.why IS NULL ORDER BY j.rowid, s.position;
CREATE TEMP VIEW IF NOT EXISTS parts AS SELECT name, source, dtype, shape FROM split_results;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'there is nothing to take apart');
END;
INSERT INTO verdict SELECT count(*) FROM parts;

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, value, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, ref AS value FROM split_tensors WHERE name NOT IN (SELECT source FROM parts)
        UNION ALL SELECT name, tensor_slice(ref, slice) FROM split_results);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'parts', 'not_split') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensors taken apart to %,d, into %s.', (SELECT count(DISTINCT source) FROM parts), (SELECT count(*) FROM parts),
              safetensors_label(p.out)) FROM as_text, parameters AS p;
SELECT printf('warning: %,d %s as %s.', count(*), iif(count(*) = 1, 'module stays', 'modules stay'), iif(count(*) = 1, 'it was', 'they were'))
FROM as_text, not_split HAVING count(*) > 0;

SELECT char(10) || '== Not taken apart' FROM as_text WHERE EXISTS (SELECT 1 FROM not_split);
.mode column
.headers on
SELECT why, safetensors_label(module) AS module FROM as_text, split_modules AS n WHERE n.why IS NOT NULL ORDER BY n.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, not_split HAVING count(*) > 20;

SELECT char(10) || '== Taken apart' FROM as_text;
.mode column
.headers on
SELECT printf('%,7d', count(DISTINCT source)) AS tensors, safetensors_label(min(dtype)) AS dtype, printf('%,5d', count(*)) AS parts,
       safetensors_label(min(shape)) AS such_as, safetensors_label(joined) AS module
FROM as_text, split_results AS p GROUP BY p.joined ORDER BY min(p.rowid) LIMIT 20;
