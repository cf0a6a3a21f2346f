-- Gives the vocabulary another size.
--
-- The embedding and the head get rows, of zeros or of the mean of all rows there are, or lose their last ones. These
-- are the tensors of the usual names (embed_tokens, wte, word_embeddings, lm_head, and so on) that have as many rows
-- as the largest of them; `names` says it otherwise. Others stay as they are. Those that have as many rows but another
-- name are printed.
--
-- The mean is computed in double and rounded once to F32 (F64 if the tensor is), and then to the dtype of the tensor.
--
-- `out` is a file, an index (*.safetensors.index.json) or a directory, which is made if it is not there. Into a
-- directory go model.safetensors, or shards if there is a limit, and the files beside the weights that a loader needs:
-- *.json, tokenizers, chat templates, *.py, licences. Its config.json then has the new vocab_size. The tokenizer stays
-- as it was.
--
-- @param path path required   the checkpoint
-- @param out path required    the file, the index or the directory to write
-- @param rows integer required   how many tokens it has then
-- @param fill enum zeros|mean   what new rows are
-- @param names text           a pattern (*, ?, [...]) of the names of what is resized; without it, the usual names
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param replace flag         replace what is there
-- @param format enum text|json|csv   how to print what was done
-- @table resized(name, dtype, shape, new_shape)   one row per tensor that gets or loses rows
-- @table not_resized(name, shape, why)   tensors that one may expect there, and why they are not
-- @table beside(file, nbytes, status)   one row per file that is copied beside the weights
-- @status 1                   when no tensor has rows to resize; then nothing is written
-- @writes out
-- @example safetensors-sql resize-vocab model.safetensors resized.safetensors 320 --fill mean

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  "rows" INTEGER CONSTRAINT ":rows is set" CHECK ("rows" IS NOT NULL)
    CONSTRAINT ":rows is a whole number" CHECK (typeof("rows") IN ('integer', 'null'))
    CONSTRAINT ":rows is greater than 0" CHECK ("rows" > 0),
  fill TEXT CONSTRAINT ":fill is zeros or mean" CHECK (fill IN ('zeros', 'mean')),
  names TEXT,
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json')
    CONSTRAINT ":limit is not set if :out is one file" CHECK ("limit" IS NULL OR out NOT LIKE '%.safetensors'),
  "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv')),
  models INTEGER CONSTRAINT ":path is one model" CHECK (models < 2)
);
INSERT INTO parameters
  SELECT :path, :out, :rows, ifnull(:fill, 'zeros'), :names, :limit, ifnull(:replace, 0), ifnull(:format, 'text'),
         (SELECT count(*) FROM safetensors_models(:path))
  WHERE safetensors_parameters(':path', ':out', ':rows', ':fill', ':names', ':limit', ':replace', ':format');

-- The file or index to write, and `out` if that is a directory.
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory
  FROM (SELECT directory, ifnull(directory || (
                 SELECT iif(max(file LIKE '%adapter\_model.safetensors' ESCAPE '\'), '/adapter_model', '/model')
                 FROM safetensors_files(:path))
               || iif("limit" IS NULL, '.safetensors', '.safetensors.index.json'), out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors' OR out LIKE '%.safetensors.index.json', NULL,
                            ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
DROP TABLE IF EXISTS temp.out_needs;
CREATE TEMP TABLE out_needs(
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  alone CONSTRAINT ":out is a directory without other models" CHECK (alone)
);
INSERT INTO out_needs
  SELECT p."replace" OR NOT EXISTS (
           SELECT 1 FROM safetensors_files(ifnull(t.directory, t.path))
           WHERE status <> 'missing' AND (t.directory IS NOT NULL OR file = t.path OR t.path LIKE '%.index.json')),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.directory)
                     WHERE status <> 'missing' AND file NOT IN (SELECT file FROM safetensors_files(t.path)))
  FROM parameters AS p, out_target AS t;

DROP TABLE IF EXISTS temp.vocabulary;
CREATE TEMP TABLE vocabulary AS
  SELECT name, dtype, shape, ref, layer, "rows", rank, is_named, max(iif(is_named, "rows", NULL)) OVER () AS tokens
  FROM (SELECT t.name, t.dtype, t.shape, t.ref, t.layer, json_extract(t.shape, '$[0]') AS "rows", json_array_length(t.shape) AS rank,
               t.numel > 0 AND CASE WHEN p.names IS NOT NULL THEN t.name GLOB p.names ELSE t.layer IS NULL AND (
                 '.' || t.name GLOB '*[._/]embed_tokens.weight' OR '.' || t.name GLOB '*[._/]lm_head.weight'
                 OR '.' || t.name GLOB '*[._/]lm_head.bias' OR '.' || t.name GLOB '*[._/]wte.weight'
                 OR '.' || t.name GLOB '*[._/]word_embeddings.weight' OR '.' || t.name GLOB '*[._/]embed_in.weight'
                 OR '.' || t.name GLOB '*[._/]embed_out.weight' OR '.' || t.name GLOB '*[._/]shared.weight'
                 OR '.' || t.name GLOB '*[._/]tok_embeddings.weight' OR '.' || t.name GLOB '*[._/]token_embedding.weight'
                 OR '.' || t.name IN ('.output.weight', '.cls.predictions.bias')
                 OR '.' || t.name GLOB '*[._/]predictions.decoder.weight'
                 OR '.' || t.name GLOB '*[._/]predictions.decoder.bias') END AS is_named
        FROM parameters AS p, safetensors_tensors(p.path) AS t);

DROP TABLE IF EXISTS temp.resize_results;
CREATE TEMP TABLE resize_results AS
  SELECT v.name, v.dtype, v.shape, json_set(v.shape, '$[0]', p."rows") AS new_shape, v."rows" AS old_rows, v.ref,
         json_set(v.shape, '$[0]', p."rows" - v."rows") AS more, json_set(v.shape, '$[0]', 1) AS one
  FROM parameters AS p, vocabulary AS v
  WHERE v.is_named AND v."rows" = v.tokens AND v."rows" <> p."rows" AND v.dtype IN ('F64', 'F32', 'F16', 'BF16');
CREATE TEMP VIEW IF NOT EXISTS resized AS SELECT name, dtype, shape, new_shape FROM resize_results;
DROP TABLE IF EXISTS temp.not_resized;
CREATE TEMP TABLE not_resized AS
  SELECT v.name, v.shape, CASE WHEN NOT v.is_named THEN printf('has %,d rows, too', v.tokens)
                               WHEN v.dtype NOT IN ('F64', 'F32', 'F16', 'BF16') THEN 'no floats: ' || v.dtype
                               WHEN v.rank = 0 THEN 'a scalar'
                               WHEN v."rows" <> v.tokens THEN printf('has not %,d rows', v.tokens)
                               ELSE printf('has %,d rows already', v.tokens) END AS why
  FROM vocabulary AS v
  WHERE v.name NOT IN (SELECT name FROM resized) AND (v.is_named OR v."rows" = v.tokens AND v.layer IS NULL);

-- What is beside the weights, and a loader needs.
DROP TABLE IF EXISTS temp.out_source;
CREATE TEMP TABLE out_source AS
  SELECT ifnull(nullif(rtrim(CASE WHEN file LIKE '%://%' THEN NULL WHEN path LIKE 'hf://%' OR path GLOB '*[*?[]*' THEN ifnull(nullif(of_file, ''), './')
                                  WHEN path LIKE '%.safetensors' OR path LIKE '%.json' THEN ifnull(nullif(of_path, ''), './')
                                  ELSE path END, '/'), ''), iif(file LIKE '%://%', NULL, '/.')) AS directory
  FROM (SELECT path, rtrim(path, replace(path, '/', '')) AS of_path, rtrim(file, replace(file, '/', '')) AS of_file, file
        FROM (SELECT p.path, (SELECT file FROM safetensors_files(p.path) LIMIT 1) AS file
              FROM parameters AS p, out_target AS t WHERE t.directory IS NOT NULL));
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS
  SELECT f.file, length(readfile(f.path)) AS nbytes,
         iif(p."replace" OR readfile(t.directory || '/' || f.file) IS NULL, 'copied', 'kept, as it was there') AS status
  FROM parameters AS p, out_target AS t,
    (SELECT d.name AS path, substr(d.name, length(s.directory) + 2) AS file FROM out_source AS s, fsdir(ifnull(s.directory, '.')) AS d
     WHERE s.directory IS NOT NULL AND (d.mode & 0xF000) IN (0x8000, 0xA000)) AS f
  WHERE CASE WHEN instr(f.file, '/') = 0 AND (
          f.file GLOB '*.json' AND f.file NOT GLOB '*.index.json' AND f.file NOT GLOB 'train*'
            AND (f.file NOT GLOB 'adapter_*' OR t.path LIKE '%/adapter\_model.safetensors%' ESCAPE '\')
            AND f.file NOT GLOB '*_results.json'
          OR f.file GLOB '*.model' OR f.file GLOB '*.jinja' OR f.file GLOB '*.py' OR f.file GLOB '*.tiktoken'
          OR f.file GLOB '*.spm' OR f.file GLOB '*.bpe' OR f.file GLOB '*.bpe.codes' OR f.file GLOB '*vocab*.txt'
          OR f.file = 'merges.txt' OR lower(f.file) GLOB 'licen[cs]e*' OR lower(f.file) GLOB 'notice*'
          OR lower(f.file) GLOB 'use_policy*' OR lower(f.file) GLOB 'copying*')
        THEN readfile(f.path) IS NOT NULL END -- which is not read before its name is seen to be one of these
  ORDER BY f.file;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor has rows of the vocabulary to add or to drop');
END;
INSERT INTO verdict SELECT count(*) FROM resized;

-- Its configuration, with the new size.
DROP TABLE IF EXISTS temp.resize_config;
CREATE TEMP TABLE resize_config AS
  SELECT config FROM (SELECT CAST(readfile(s.directory || '/config.json') AS TEXT) AS config FROM out_source AS s, beside AS b
                      WHERE b.file = 'config.json' AND b.status = 'copied')
  WHERE json_valid(config);
UPDATE beside SET status = 'copied, but for vocab_size'
WHERE file = 'config.json' AND (SELECT json_type(config, '$.vocab_size') IS NOT NULL
                                    OR json_type(config, '$.text_config.vocab_size') IS NOT NULL FROM resize_config);
UPDATE resize_config SET config = json_replace(config, '$.vocab_size', p."rows", '$.text_config.vocab_size', p."rows")
FROM parameters AS p;

INSERT INTO safetensors_write(path, name, dtype, data, metadata, max_shard_bytes, mode, make_directory)
  SELECT t.path, v.name, v.dtype, CASE
           WHEN r.name IS NULL THEN v.ref
           WHEN r.old_rows > p."rows" THEN tensor_slice(v.ref, '0:' || p."rows")
           WHEN p.fill = 'zeros' THEN tensor_concat(0, v.ref, tensor_convert(tensor_full(r.more, 0), v.dtype))
           ELSE tensor_concat(0, v.ref, tensor_convert(
                  tensor_add(tensor_full(r.more, 0), tensor_div(tensor_total(v.ref, 0), r.old_rows)), v.dtype)) END,
         (SELECT json_group_object(key, value) FROM (
            SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         p."limit", iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, vocabulary AS v LEFT JOIN resize_results AS r USING (name);
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.directory || '/' || f.file, ifnull(iif(f.file = 'config.json', (SELECT config FROM resize_config), NULL),
                                                   readfile(s.directory || '/' || f.file)))
  FROM out_target AS t, out_source AS s, beside AS f WHERE f.status LIKE 'copied%';

-- What came out. While a transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.out_files;
CREATE TEMP TABLE out_files AS
  SELECT f.file, f.nbytes, f.status FROM out_target AS t, safetensors_files(t.path) AS f
  WHERE NOT EXISTS (SELECT 1 FROM safetensors_write) AND f.status = 'ok';
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'resized', 'not_resized', 'beside') FROM parameters WHERE format <> 'text';

SELECT printf('error: the new rows of %s are not finite, as its mean is not.', safetensors_label(r.name))
FROM as_text, parameters AS p, out_target AS t, resize_results AS r,
  safetensors_tensors(iif(EXISTS (SELECT 1 FROM out_files), t.path, NULL)) AS w, tensor_stats(tensor_slice(w.ref, r.old_rows || ':')) AS s
WHERE w.name = r.name AND p."rows" > r.old_rows AND p.fill = 'mean' AND s.n_nan + s.n_inf > 0;
SELECT printf('%,d %s from %,d to %,d rows%s.', count(*), iif(count(*) = 1, 'tensor goes', 'tensors go'), min(r.old_rows), p."rows",
              CASE WHEN p."rows" < min(r.old_rows) THEN ''
                   WHEN p.fill = 'zeros' THEN '; the new ones are zero' ELSE '; the new ones are the mean' END)
FROM as_text, parameters AS p, resize_results AS r HAVING count(*) > 0;

SELECT char(10) || '== Resized' FROM as_text;
.mode column
.headers on
SELECT safetensors_label(dtype) AS dtype, safetensors_label(shape) AS shape, safetensors_label(new_shape) AS new_shape,
       safetensors_label(name) AS name FROM as_text, resize_results AS r ORDER BY r.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, resized HAVING count(*) > 20;

SELECT char(10) || '== Left as they are' FROM as_text WHERE EXISTS (SELECT 1 FROM not_resized);
.mode column
.headers on
SELECT why, safetensors_label(shape) AS shape, safetensors_label(name) AS name FROM as_text, not_resized AS r ORDER BY r.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, not_resized HAVING count(*) > 20;

SELECT char(10) || '== Written' FROM as_text;
.mode column
.headers on
SELECT printf('%,5d', nullif(o.shards, 0)) AS files, printf('%,7d', (SELECT count(*) FROM vocabulary)) AS tensors,
       printf('%8s', safetensors_pretty(o.nbytes, 'B')) AS "   bytes", safetensors_label(path) AS file
FROM as_text, out_target AS t, (SELECT count(*) AS shards, sum(nbytes) AS nbytes FROM out_files) AS o;
.mode list
.headers off
SELECT char(10) || 'What is beside the weights is not copied, as it is at an address of the network.'
FROM as_text, out_target AS t, out_source AS s WHERE t.directory IS NOT NULL AND s.directory IS NULL;
SELECT char(10) || '== Beside the weights' FROM as_text WHERE EXISTS (SELECT 1 FROM beside);
.mode column
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", status, safetensors_label(file) AS file
FROM as_text, beside AS b ORDER BY b.file LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, beside HAVING count(*) > 40;
