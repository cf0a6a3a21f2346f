-- Renames tensors: takes a prefix off their names, or puts another in its place.
--
--   sqlite3 -cmd ".load build/safetensors" -cmd ".param set :path model.safetensors" \
--           -cmd ".param set :prefix module." -cmd ".param set :out stripped.safetensors" \
--           < sql/strip_prefix.sql
--
-- Names without the prefix stay as they are. :new is what comes in its place (nothing). Without :out
-- a file is changed in place. A name that then occurs twice is an error, and nothing is written.

.mode column
.headers on

DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS
  SELECT name, iif(substr(name, 1, length(:prefix)) = :prefix,
                   ifnull(:new, '') || substr(name, length(:prefix) + 1), name) AS new_name,
         dtype, shape, ref
  FROM safetensors_tensors(:path);

.print == Written
SELECT ifnull(:out, :path) AS file, sum(name <> new_name) AS renamed,
       safetensors_write(ifnull(:out, :path), new_name, dtype, shape, ref, (
         SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)))
       AS tensors
FROM renamed;
.print

.print == First names
SELECT name, new_name FROM renamed WHERE name <> new_name LIMIT 10;
