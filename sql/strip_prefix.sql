-- Renames tensors: takes a prefix off their names, or puts another in its place.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :prefix module." -cmd ".param set :out stripped.safetensors" \
--           < sql/strip_prefix.sql
--
-- Names without the prefix stay as they are. :new is what comes in its place (nothing). Without :out
-- a file is changed in place. A name that then occurs twice is an error, and nothing is written.

.bail on
CREATE TEMP TABLE IF NOT EXISTS needs_path_prefix(value CONSTRAINT ":path and :prefix are set"
  CHECK (value IS NOT NULL));
INSERT INTO needs_path_prefix VALUES (:path), (:prefix);

.mode column
.headers on

DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS
  SELECT name, iif(substr(name, 1, length(:prefix)) = :prefix,
                   ifnull(:new, '') || substr(name, length(:prefix) + 1), name) AS new_name,
         dtype, shape, ref
  FROM safetensors_tensors(:path)
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL; -- adds no tensor: there may be none

.print == Written
SELECT iif(length(ifnull(:out, :path)) > 58, '...' || substr(ifnull(:out, :path), -55), ifnull(:out, :path))
       AS file, ifnull(sum(name <> new_name), 0) AS renamed,
       safetensors_write(ifnull(:out, :path), new_name, dtype, shape, ref, (
         SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)))
       AS tensors
FROM renamed;
.print

.print == First names
SELECT iif(length(name) > 39, substr(name, 1, 16) || '...' || substr(name, -20), name) AS name,
       iif(length(new_name) > 39, substr(new_name, 1, 16) || '...' || substr(new_name, -20), new_name)
       AS new_name
FROM renamed AS r WHERE r.name <> r.new_name LIMIT 10;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 10) FROM renamed WHERE name <> new_name HAVING count(*) > 10;
SELECT 'None: no name begins so.' WHERE NOT EXISTS (SELECT 1 FROM renamed WHERE name <> new_name);
.mode column
.headers on
