-- Makes the demo's two checkpoints, in plain SQL: a tiny GPT, base.safetensors, and its fine-tune,
-- tune.safetensors, in a directory that is there.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :directory build/demo" < tests/demo.sql
--
-- The fine-tune changes layers 2 and 3, stores the final norm as BF16, drops the language head and gains
-- a classifier.

CREATE TEMP TABLE numbers AS
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 8191) SELECT i FROM n;

CREATE TEMP TABLE parts AS
  WITH layers(layer) AS (VALUES (0), (1), (2), (3)),
       kinds(kind, height, width) AS (VALUES
         ('input_layernorm', 32, NULL), ('mlp.down_proj', 32, 128), ('mlp.gate_proj', 128, 32),
         ('mlp.up_proj', 128, 32), ('post_attention_layernorm', 32, NULL),
         ('self_attn.k_proj', 16, 32), ('self_attn.o_proj', 32, 32), ('self_attn.q_proj', 32, 32),
         ('self_attn.v_proj', 16, 32)),
       named(name, height, width, changes) AS (
         SELECT 'model.layers.' || layer || '.' || kind || '.weight', height, width,
                layer >= 2 AND width IS NOT NULL
         FROM layers, kinds
         UNION ALL VALUES ('model.embed_tokens.weight', 256, 32, 0), ('lm_head.weight', 256, 32, 0),
                          ('model.norm.weight', 32, NULL, 0), ('score.weight', 2, 32, 0))
  SELECT name, height * ifnull(width, 1) AS numel, changes,
         iif(width IS NULL, json_array(height), json_array(height, width)) AS shape,
         row_number() OVER (ORDER BY name) AS seed
  FROM named;

-- The values of a tensor, in 1/512: from -15 to 15, in what passes for random order. In the
-- fine-tune those of tensors that change move by one at most.
CREATE TEMP VIEW levels AS
  SELECT seed, i, level AS base,
         iif(changes, max(-15, min(15, level + (i * i + 7 * i) / 11 % 3 - 1)), level) AS tune
  FROM (SELECT seed, i, changes, (mixed * mixed + i) % 65521 % 31 - 15 AS level
        FROM (SELECT seed, i, changes, (i * 52711 + seed * 30011) % 65519 AS mixed
              FROM parts JOIN numbers ON i < numel));

-- Their bytes, as F8_E4M3, where the codes 0 to 15 are 0 to 15/512, and 128 more is the sign.
CREATE TEMP TABLE bytes AS
  WITH codes(code) AS (VALUES (x'8F8E8D8C8B8A898887868584838281000102030405060708090A0B0C0D0E0F'))
  SELECT seed, CAST(group_concat(substr(code, 16 + base, 1), '') AS BLOB) AS base,
         CAST(group_concat(substr(code, 16 + tune, 1), '') AS BLOB) AS tune
  FROM (SELECT * FROM levels ORDER BY seed, i), codes GROUP BY seed;

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, mode)
SELECT :directory || '/base.safetensors', name, dtype, shape, tensor_cast(base, 'F8_E4M3', dtype),
       json_object('format', 'pt', 'model_type', 'tiny-gpt'), 'replace'
FROM (SELECT *, iif(name = 'model.norm.weight', 'F32', 'BF16') AS dtype FROM parts JOIN bytes USING (seed))
WHERE name <> 'score.weight';

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, mode)
SELECT :directory || '/tune.safetensors', name, 'BF16', shape, tensor_cast(tune, 'F8_E4M3', 'BF16'),
       json_object('format', 'pt', 'base_model', 'tiny-gpt', 'epochs', '3'), 'replace'
FROM parts JOIN bytes USING (seed)
WHERE name <> 'lm_head.weight';
