-- Sets, changes and removes metadata, in place.
--
-- In the patch, a JSON object, a string sets its key and null removes it; keys that it does not name stay. If the path
-- is a sharded model or a pattern, each of its files is edited. All files are rewritten beside their places before the
-- first is replaced, so a failure leaves the old files; this takes as long as copying them. Files whose metadata are
-- already so are left alone.
--
-- To do the same by hand for a single file:
--
--   CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('a.safetensors');
--   UPDATE meta SET value = 'me' WHERE key = 'author';
--
-- @param path path required   the checkpoint
-- @param patch text required  the changes, a JSON object
-- @param format enum text|json|csv   how to print the tables
-- @table edited(file, metadata)   one row per file that is written, its new metadata as a JSON object
-- @writes path
-- @example safetensors-sql edit-metadata model.safetensors '{"author":"me","format":null}'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  patch TEXT CONSTRAINT ":patch is set" CHECK (patch IS NOT NULL)
    CONSTRAINT ":patch is a JSON object" CHECK (json_valid(patch) AND json_type(patch) = 'object'),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :patch, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':patch', ':format');

-- One model, or the files of a pattern.
DROP TABLE IF EXISTS temp.edit_models;
CREATE TEMP TABLE edit_models AS
  SELECT m.model FROM parameters AS p, safetensors_models(p.path) AS m WHERE p.path NOT GLOB '*[*?[]*';
SELECT safetensors_refuse(printf('expected one model as :path, found %,d: %s%s', count(*),
         (SELECT group_concat(safetensors_label(model), ', ') FROM (SELECT model FROM edit_models LIMIT 5)), iif(count(*) > 5, ', ...', '')))
FROM edit_models HAVING count(*) > 1;
-- If a file cannot be read, this raises the error and ends the script.
DROP TABLE IF EXISTS temp.edit_files;
CREATE TEMP TABLE edit_files AS
  SELECT f.file, f.tensors, (SELECT json_group_object(key, value) FROM safetensors_metadata(f.file)) AS before
  FROM parameters AS p, safetensors_files(ifnull((SELECT model FROM edit_models), p.path)) AS f;

DROP TABLE IF EXISTS temp.edited;
CREATE TEMP TABLE edited AS
  SELECT f.file, json_patch(f.before, p.patch) AS metadata FROM parameters AS p, edit_files AS f
  WHERE json_patch(f.before, p.patch) <> json(f.before);
INSERT INTO safetensors_write(path, name, data, metadata, mode)
  SELECT e.file, t.name, t.ref, e.metadata, 'replace'
  FROM edited AS e LEFT JOIN safetensors_tensors(e.file) AS t;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'edited') FROM parameters WHERE format <> 'text';

SELECT iif(n = 0, printf('Nothing changed: the metadata of %s already so.', iif(of = 1, 'the file are', printf('all %,d files are', of))),
           printf('The metadata of %s changed.', iif(n = 1 AND of = 1, 'the file are', printf('%,d of %,d files are', n, of))))
FROM as_text, (SELECT count(*) AS n FROM edited), (SELECT count(*) AS of FROM edit_files);

SELECT char(10) || '== Written' FROM as_text WHERE EXISTS (SELECT 1 FROM edited);
.mode column --wrap 0
.headers on
SELECT printf('%,7d', f.tensors) AS tensors, safetensors_label(f.file) AS file
FROM as_text, edited AS e JOIN edit_files AS f ON f.file = e.file ORDER BY e.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, edited HAVING count(*) > 20;
SELECT char(10) || '== Metadata' FROM as_text WHERE EXISTS (SELECT 1 FROM edited);
.mode column --wrap 0
.headers on
SELECT iif(length(key) > 26, substr(key, 1, 23) || '...', key) AS key, iif(length(value) > 50, substr(value, 1, 47) || '...', value) AS value
FROM (SELECT safetensors_label(m.key) AS key, safetensors_label(m.value) AS value
      FROM as_text, (SELECT min(file), metadata FROM edited) AS e, json_each(e.metadata) AS m);
.mode list
.headers off
SELECT 'None.' FROM as_text, (SELECT min(file), metadata FROM edited) WHERE metadata = '{}';
