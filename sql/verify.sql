-- Is this download what was published?
--
-- Compares the files with every digest that is claimed about them nearby: the names of a hub's
-- cache, the notes of its client in a local directory, git-lfs, SHA256SUMS and the like, *.sha256, the hashes in
-- kohya's and ModelSpec's metadata, OpenSSF model signing bundles (whose signature itself is not checked). Reads all
-- bytes of the files that something is claimed about. ext/docs/reference.md lists the claims.
--
-- If the network is switched on (SAFETENSORS_NETWORK=on), hf://NAME compares this machine's copies with what the hub
-- publishes, and `published` any other files with it. Nothing is downloaded: a file that is not on this machine is a
-- claim that cannot be checked. Otherwise nobody is asked.
--
-- The verdict is yes if each claim that can be checked is right, each claimed file is there, and no download of a hub's
-- client stands half-way (`*.incomplete`). It is no, too, where nothing can be checked; with `strict` also if a claim
-- cannot be checked, or if a file has none.
--
-- @param path path required   the checkpoint: a directory (all its files), a file, an index, a pattern or hf://NAME
-- @param published text       the repository of the hub that the files are from, hf://NAME[@REVISION][/FOLDER]
-- @param strict flag          a file without a claim, and a claim that cannot be checked, are not enough
-- @param format enum text|json|csv|junit|sarif   how to print the tables
-- @table claims(file, claim, algorithm, expected, actual, status)   one row per claim; of a file about which nothing
--    is claimed, claim is NULL
-- @table verified(rule, level, file, tensor, message)   the same as junit and sarif print it
-- @status 1                   when the verdict is no
-- @example safetensors-sql verify model_directory
-- @example safetensors-sql verify hf://org/name
-- @example safetensors-sql verify model_directory --published hf://org/name

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  published TEXT,
  strict INTEGER,
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif"
    CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, :published, ifnull(:strict, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':published', ':strict', ':format');

-- If there is no such path, this ends the script.
DROP TABLE IF EXISTS temp.claims;
CREATE TEMP TABLE claims AS SELECT file, claim, algorithm, expected, actual, status FROM safetensors_verify(:path, :published);
-- What a hub's client was still downloading, or was stopped at.
UPDATE claims SET status = 'incomplete' WHERE file LIKE '%.incomplete';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(files CONSTRAINT ":path has files" CHECK (files > 0));
INSERT INTO needs SELECT count(*) FROM claims;

-- Where nothing is shown to be right, that is an error of its own.
DROP TABLE IF EXISTS temp.verified;
CREATE TEMP TABLE verified AS
  SELECT ifnull(c.claim, 'claimed') AS rule,
         CASE WHEN c.status IN ('differs', 'missing', 'incomplete') THEN 'error' WHEN c.status = 'ok' THEN 'ok' WHEN p.strict THEN 'error'
              ELSE 'skipped' END AS level, c.file, NULL AS tensor,
         c.status || iif(c.status = 'differs', ': expected ' || c.expected || ', found ' || c.actual, '') AS message
  FROM parameters AS p, claims AS c ORDER BY c.rowid;
INSERT INTO verified
  SELECT 'published', 'error', NULL, NULL, 'nothing that can be checked is claimed about the files'
  WHERE (SELECT total(status IN ('ok', 'differs', 'missing', 'incomplete')) FROM claims) = 0;

-- Names without the directory that all files are in.
DROP TABLE IF EXISTS temp.verify_directory;
CREATE TEMP TABLE verify_directory AS
  SELECT ifnull(max(length(d)), 0) AS length
  FROM (SELECT rtrim(min(file), replace(min(file), '/', '')) AS d FROM claims WHERE file NOT LIKE 'hf://%') AS m
  WHERE NOT EXISTS (SELECT 1 FROM claims WHERE substr(file, 1, length(d)) <> d AND file NOT LIKE 'hf://%');

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'claims', 'verified') FROM parameters WHERE format IN ('json', 'csv');
SELECT safetensors_print(format, 'verified') FROM parameters WHERE format IN ('junit', 'sarif');

SELECT CASE
  WHEN bad > 0 THEN iif(claimed = 1, 'No: the only claim is not true.', printf('No: %,d of %,d claims %s not true.', bad, claimed, iif(bad = 1, 'is', 'are')))
  WHEN partial > 0 THEN printf('No: %,d download%s not complete.', partial, iif(partial = 1, ' is', 's are'))
  WHEN lost > 0 THEN printf('No: %,d of %,d files %s missing.', lost, files, iif(lost = 1, 'is', 'are'))
  WHEN good = 0 AND claimed = 0 THEN 'Unknown: nothing is claimed about ' || iif(files = 1, 'this file.', 'these files.')
  WHEN good = 0 THEN 'Unknown: ' || iif(claimed = 1, 'the only claim cannot be checked.', 'no claim can be checked.')
  WHEN strict AND good < claimed THEN printf('No: %,d of %,d claims cannot be checked.', claimed - good, claimed)
  WHEN strict AND silent > 0 THEN printf('No: nothing is claimed about %,d of %,d files.', silent, files)
  ELSE printf('Yes: %s.', iif(claimed = 1, 'the only claim is true',
              iif(good = claimed, printf('all %,d claims are true', claimed),
                  printf('all %,d claims that can be checked are true', good)))) END
FROM as_text, (SELECT total(claim IS NOT NULL AND status IN ('differs', 'missing')) AS bad, total(status = 'incomplete') AS partial,
             total(claim IS NULL AND status = 'missing') AS lost, total(status = 'ok') AS good, count(claim) AS claimed,
             total(status = 'no claim') AS silent, count(DISTINCT file) AS files, (SELECT strict FROM parameters) AS strict FROM claims);

SELECT safetensors_label(substr(file, 1 + d.length)) || ': ' || safetensors_label(status) || ifnull(' (' || safetensors_label(claim) || ')', '')
       || iif(status = 'differs', printf('%s  expected %s%s  found    %s', char(10), safetensors_label(expected), char(10), actual), '')
FROM as_text, claims AS c, verify_directory AS d
WHERE status NOT IN ('ok', 'no claim', 'cannot check: it is not on this machine') ORDER BY status NOT IN ('differs', 'missing', 'incomplete'), c.rowid LIMIT 200;
SELECT printf('and %,d more', count(*) - 200) FROM as_text, claims
WHERE status NOT IN ('ok', 'no claim', 'cannot check: it is not on this machine') HAVING count(*) > 200;
SELECT printf('%,d file%s of the repository %s not on this machine: %s', n, iif(n = 1, '', 's'), iif(n = 1, 'is', 'are'), some || iif(n > 5, ', ...', ''))
FROM as_text, (SELECT count(*) AS n FROM claims WHERE status = 'cannot check: it is not on this machine'),
     (SELECT group_concat(name, ', ') AS some FROM (SELECT safetensors_label(substr(file, instr(file, '@') + 42)) AS name
      FROM claims AS c WHERE status = 'cannot check: it is not on this machine' ORDER BY c.rowid LIMIT 5))
WHERE n > 0;

SELECT char(10) || '== Claims' FROM as_text, claims WHERE claim IS NOT NULL LIMIT 1;
.mode column --wrap 0
.headers on
SELECT safetensors_label(claim) AS claim, safetensors_label(algorithm) AS algorithm, printf('%,7d', count(DISTINCT file)) AS "  files",
       printf('%,6d', total(status = 'ok')) AS "    ok",
       printf('%,7d', total(status = 'differs')) AS differs, printf('%,7d', total(status = 'missing')) AS missing,
       printf('%,9d', total(status LIKE 'cannot check%' OR status = 'incomplete')) AS unchecked
FROM as_text, (SELECT *, iif(claim LIKE 'model signing%', 'model signing', claim) AS claim FROM claims WHERE claim IS NOT NULL)
GROUP BY 1, 2 ORDER BY 1, 2;
.mode list
.headers off
SELECT 'The signatures of model signing bundles are not checked, only their digests.'
FROM as_text, claims WHERE claim LIKE 'model signing%' LIMIT 1;

SELECT printf(char(10) || 'Nothing is claimed about %,d of %,d files%s', n, files, iif(n = files, '.', ':'))
FROM as_text, (SELECT total(status = 'no claim') AS n, count(DISTINCT file) AS files FROM claims) WHERE n > 0;
SELECT '  ' || safetensors_label(substr(file, 1 + d.length)) FROM as_text, claims AS c, verify_directory AS d
WHERE status = 'no claim' AND EXISTS (SELECT 1 FROM claims WHERE claim IS NOT NULL) ORDER BY c.rowid LIMIT 20;
SELECT printf('  and %,d more', count(*) - 20) FROM as_text, claims
WHERE status = 'no claim' AND EXISTS (SELECT 1 FROM claims WHERE claim IS NOT NULL) HAVING count(*) > 20;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(good);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN NOT new.good BEGIN
  SELECT RAISE(ABORT, 'the files are not shown to be what was published');
END;
INSERT INTO verdict
  SELECT total(status IN ('differs', 'missing', 'incomplete')) = 0 AND total(status = 'ok') > 0
         AND (NOT (SELECT strict FROM parameters) OR total(status <> 'ok') = 0)
  FROM claims;
