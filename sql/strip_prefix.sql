-- Removes a prefix from tensors' names, or replaces it.
--
-- Names without the prefix stay as they are. If a name would then occur twice, the script fails and writes nothing. If
-- both paths are the same, the file is changed in place.
--
-- To do the same by hand and in place:
--
--   CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors');
--   UPDATE m SET name = substr(name, 8) WHERE name GLOB 'module.*';
--
-- @param path path required   the checkpoint
-- @param out path required    the file to write, which is replaced if it is there
-- @param prefix text required   what the names begin with
-- @param new text ''          what they begin with afterwards
-- @table renamed(name, new_name)   one row per tensor
-- @status 1                   when no tensor's name begins with the prefix; then nothing is written
-- @writes out
-- @example safetensors-sql strip-prefix model.safetensors stripped.safetensors model.

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL),
  prefix TEXT CONSTRAINT ":prefix is set" CHECK (prefix IS NOT NULL),
  new TEXT
);
INSERT INTO parameters VALUES (:path, :out, :prefix, ifnull(:new, ''));

DROP TABLE IF EXISTS temp.renamed;
CREATE TEMP TABLE renamed AS
  SELECT t.name, iif(substr(t.name, 1, length(p.prefix)) = p.prefix,
                     p.new || substr(t.name, length(p.prefix) + 1), t.name) AS new_name,
         t.ref, p.new || substr(t.pattern, length(p.prefix) + 1) AS new_pattern, t.pattern
  FROM parameters AS p, safetensors_tensors(p.path) AS t;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.tensors = 0 BEGIN
  SELECT RAISE(ABORT, 'no tensor''s name begins with :prefix');
END;
INSERT INTO verdict
  SELECT count(*) FROM parameters AS p, renamed AS r WHERE substr(r.name, 1, length(p.prefix)) = p.prefix;

INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT :out, new_name, ref, (SELECT json_group_object(key, value) FROM (
           SELECT key, value, min(rowid) FROM safetensors_metadata(:path) GROUP BY key ORDER BY 3)), 'replace'
  FROM renamed;

.mode column
.headers on

.print == Written
SELECT iif(length(out) > 58, '...' || substr(out, -55), out) AS file,
       (SELECT count(*) FROM renamed WHERE name <> new_name) AS renamed, (SELECT count(*) FROM renamed) AS tensors
FROM parameters;
.print

DROP TABLE IF EXISTS temp.first_renamed;
CREATE TEMP TABLE first_renamed AS
  SELECT name, name AS label, pattern, new_name, new_name AS new_label, new_pattern
  FROM renamed AS r WHERE r.name <> r.new_name LIMIT 10;
-- Shortens names to 38 characters, so that a label keeps the layer, the word directly before it, the end, and
-- numbers in the part that is cut.
UPDATE first_renamed SET label = (
  SELECT CASE WHEN length(begin || rest) <= 38 THEN begin || rest
              WHEN numbers IS NULL AND tail GLOB '*[0-9]*'
              THEN begin || substr(rest, 1, room - 3 - length(tail)) || '...' || tail
              WHEN numbers IS NULL
              THEN begin || substr(rest, 1, room * 2 / 5) || '...' || substr(rest, room * 2 / 5 + 3 - room)
              ELSE begin || '..' || numbers || '..' || substr(tail, -max(1, room - 4 - length(numbers))) END
  FROM (SELECT begin, rest, tail, room, (
          SELECT group_concat(value, '.')
          FROM json_each('[' || replace(replace(json_quote(substr(rest, 1, length(rest) - length(tail))),
                                                '.', '","'), '_', '","') || ']')
          WHERE value <> '' AND value NOT GLOB '*[^0-9]*') AS numbers
        FROM (SELECT begin, rest, 38 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 31) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 31), '0123456789'),
                       substr(rest, length(begin) - 31)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(name, length(head) + 1) AS rest
                    FROM (SELECT substr(name, 1, first - 2) AS stem,
                                 substr(name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(pattern, '#') AS first,
                                       substr(name, instr(pattern, '#')) AS after))))))
WHERE length(name) > 38;
UPDATE first_renamed SET new_label = (
  SELECT CASE WHEN length(begin || rest) <= 38 THEN begin || rest
              WHEN numbers IS NULL AND tail GLOB '*[0-9]*'
              THEN begin || substr(rest, 1, room - 3 - length(tail)) || '...' || tail
              WHEN numbers IS NULL
              THEN begin || substr(rest, 1, room * 2 / 5) || '...' || substr(rest, room * 2 / 5 + 3 - room)
              ELSE begin || '..' || numbers || '..' || substr(tail, -max(1, room - 4 - length(numbers))) END
  FROM (SELECT begin, rest, tail, room, (
          SELECT group_concat(value, '.')
          FROM json_each('[' || replace(replace(json_quote(substr(rest, 1, length(rest) - length(tail))),
                                                '.', '","'), '_', '","') || ']')
          WHERE value <> '' AND value NOT GLOB '*[^0-9]*') AS numbers
        FROM (SELECT begin, rest, 38 - length(begin) AS room, iif(
                       substr(rest, length(begin) - 31) GLOB '[0-9]*',
                       ltrim(substr(rest, length(begin) - 31), '0123456789'),
                       substr(rest, length(begin) - 31)) AS tail
              FROM (SELECT iif(length(head) <= 18, head, '...' || substr(head, -min(15, length(head) - length(
                             rtrim(stem, replace(stem, iif(instr(stem, '.'), '.', '_'), '')))))) AS begin,
                           substr(new_name, length(head) + 1) AS rest
                    FROM (SELECT substr(new_name, 1, first - 2) AS stem,
                                 substr(new_name, 1, iif(first = 0, 16, first - 1 + length(after)
                                        - length(ltrim(after, '0123456789')))) AS head
                          FROM (SELECT instr(new_pattern, '#') AS first,
                                       substr(new_name, instr(new_pattern, '#')) AS after))))))
WHERE length(new_name) > 38;
.print == First names
SELECT label AS name, new_label AS new_name FROM first_renamed AS r ORDER BY r.rowid;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 10) FROM renamed WHERE name <> new_name HAVING count(*) > 10;
SELECT 'None: the new names are the old ones.' WHERE NOT EXISTS (SELECT 1 FROM renamed WHERE name <> new_name);
.mode column
.headers on
