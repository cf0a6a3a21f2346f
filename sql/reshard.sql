-- Splits a model into shards of another size, or joins them.
--
-- If the path to write is an index, NAME.safetensors.index.json, in a directory that exists, the model is split into
-- shards of at most so many bytes of tensors. Any other path is a single file without a limit. The model may be written
-- over itself; shards that it no longer has are removed.
--
-- @param path path required   the model
-- @param out path required    the index or the file to write, which is replaced if it is there
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
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
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json')
);
INSERT INTO parameters VALUES (:path, :out, :limit);

DROP TABLE IF EXISTS temp.resharded;
CREATE TEMP TABLE resharded AS
  SELECT name, nbytes, ref FROM safetensors_tensors(:path);

INSERT INTO safetensors_write(path, name, data, metadata, max_shard_bytes, mode)
  SELECT :out, name, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)),
         (SELECT "limit" FROM parameters WHERE out LIKE '%.safetensors.index.json'), 'replace'
  FROM (SELECT name, ref FROM resharded
        UNION ALL SELECT NULL, NULL); -- adds no tensor, but a file without tensors needs a row

-- While the transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.written;
CREATE TEMP TABLE written AS
  SELECT file, tensors, nbytes FROM safetensors_files(:out) WHERE NOT EXISTS (SELECT 1 FROM safetensors_write);

.mode column
.headers on

.print == Written
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS "index", count(*) AS tensors
FROM resharded HAVING :out LIKE '%.safetensors.index.json';
SELECT iif(length(:out) > 60, '...' || substr(:out, -57), :out) AS file, count(*) AS tensors
FROM resharded HAVING :out NOT LIKE '%.safetensors.index.json';
.print

.mode list
.headers off
SELECT '== Files' WHERE EXISTS (SELECT 1 FROM written);
.mode column
.headers on
SELECT iif(length(base) > 60, '...' || substr(base, -57), base) AS name, tensors,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes"
FROM (SELECT *, replace(file, rtrim(file, replace(file, '/', '')), '') AS base FROM written);
