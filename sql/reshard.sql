-- Splits a model into shards of another size, or joins them.
--
-- If the path to write is an index, NAME.safetensors.index.json, in a directory that exists, the model is split into
-- shards of at most so many bytes of tensors. Any other path is a single file without a limit. The model may be written
-- over itself; shards that it no longer has are removed.
--
-- @param path path required   the model
-- @param out path required    the index or the file to write, which is replaced if it is there
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param format enum text|json|csv   how to print the tables
-- @table resharded(name, nbytes)   one row per tensor
-- @table written(file, tensors, nbytes)   one row per file that is written
-- @writes out
-- @example safetensors-sql reshard model.safetensors sharded/model.safetensors.index.json --limit 5000000000

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json'),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, :limit, ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':limit', ':format');

-- One model, or the files of a pattern.
DROP TABLE IF EXISTS temp.reshard_models;
CREATE TEMP TABLE reshard_models AS
  SELECT m.model FROM parameters AS p, safetensors_models(p.path) AS m WHERE p.path NOT GLOB '*[*?[]*';
SELECT safetensors_refuse(printf('expected one model as :path, found %,d: %s%s', count(*),
         (SELECT group_concat(safetensors_label(model), ', ') FROM (SELECT model FROM reshard_models LIMIT 5)), iif(count(*) > 5, ', ...', '')))
FROM reshard_models HAVING count(*) > 1;
DROP TABLE IF EXISTS temp.reshard_source;
CREATE TEMP TABLE reshard_source AS SELECT ifnull((SELECT model FROM reshard_models), path) AS path FROM parameters;

DROP TABLE IF EXISTS temp.reshard_tensors;
CREATE TEMP TABLE reshard_tensors AS
  SELECT t.name, t.nbytes, t.ref FROM reshard_source AS s, safetensors_tensors(s.path) AS t;
DROP TABLE IF EXISTS temp.resharded;
CREATE TEMP TABLE resharded AS SELECT name, nbytes FROM reshard_tensors AS t ORDER BY t.rowid;
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(tensors CONSTRAINT ":path has tensors, or metadata" CHECK (tensors > 0));
INSERT INTO needs SELECT (SELECT count(*) FROM resharded) + (SELECT count(*) FROM reshard_source AS s, safetensors_metadata(s.path));

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata((SELECT path FROM reshard_source)) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, ref FROM reshard_tensors
        UNION ALL SELECT NULL, NULL); -- adds no tensor, but a file without tensors needs a row

-- While the transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.written;
CREATE TEMP TABLE written AS
  SELECT file, tensors, nbytes FROM safetensors_files(:out) WHERE NOT EXISTS (SELECT 1 FROM safetensors_write);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'resharded', 'written') FROM parameters WHERE format <> 'text';

SELECT printf('%,d tensor%s, %s, %s in %s%s.', t.n, iif(t.n = 1, '', 's'), safetensors_pretty(t.bytes, 'B'), iif(t.n = 1, 'is', 'are'),
              safetensors_label(p.out), iif(p.out LIKE '%.safetensors.index.json', iif(w.n > 0, printf(' and its %,d shard%s', w.n, iif(w.n = 1, '', 's')), ''), ''))
FROM as_text, parameters AS p, (SELECT count(*) AS n, total(nbytes) AS bytes FROM resharded) AS t, (SELECT count(*) AS n FROM written) AS w;
SELECT char(10) || '== Files' FROM as_text WHERE EXISTS (SELECT 1 FROM written);
.mode column --wrap 0
.headers on
SELECT printf('%,7d', tensors) AS tensors, printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       safetensors_label(replace(file, rtrim(file, replace(file, '/', '')), '')) AS name
FROM as_text, written;
.mode list
.headers off
