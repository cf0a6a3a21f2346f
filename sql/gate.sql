-- Does this model keep the rules?
--
-- For CI: one line per rule, with yes or no and what broke it, and an exit status. Rules are options, or keys of the
-- same names in a JSON file, of which unknown ones are refused; an option counts for more than the file:
--
--   {"finite": true, "dtypes": ["BF16", "F32"], "architecture": true,
--    "frozen": ["model.embed*", "*.layers.[0-4].*"], "max_change": 0.1}
--
-- whole: safetensors_check has no error. finite: no NaN and no infinity; of a packed weight, in what it stands for.
-- These two hold unless they are set to no (in the file: false). dtypes: every tensor has one of these. frozen: the
-- tensors of base whose names match these patterns, as GLOB has them, are there and the same, byte for byte, and no
-- others match. architecture: the weights have the names and shapes of those of base, whatever their dtypes.
-- max_change: no weight that both have is further from that of base, by rel_l2. digests: the files are what is claimed
-- about them nearby, and something is claimed.
--
-- If there are several models under the path, each must keep the rules. One that cannot be read keeps none.
--
-- @param path path required       a model, or a folder or pattern of several
-- @param base path                the model that frozen, architecture and max_change compare with
-- @param rules text               a JSON file of rules, or the JSON itself
-- @param whole enum yes|no yes    whether files must be whole
-- @param finite enum yes|no yes   whether NaN and infinities are refused
-- @param dtypes text              which dtypes are allowed: BF16,F32
-- @param frozen text              patterns of names, separated by commas, that must be the same as in base
-- @param architecture flag        names and shapes must be those of base
-- @param max_change real          how large rel_l2 of a weight may be at most
-- @param digests flag             the digests that are claimed about the files must be right
-- @param format enum text|json|csv|junit|sarif   how to print the tables
-- @table gate(model, rule, kept, checked, broken, message)   one row per model and rule; kept is NULL where a rule
--    could not be looked at, which counts as no
-- @table gate_failures(model, rule, tensor, message)   one row per tensor or file that breaks a rule
-- @table gate_findings(rule, level, file, tensor, message)   both, for servers of continuous integration
-- @status 1                       when a rule is broken
-- @example safetensors-sql gate tune.safetensors --base base.safetensors --dtypes BF16 --frozen 'model.embed*'

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  base TEXT,
  rules TEXT,
  whole TEXT CONSTRAINT ":whole is yes or no" CHECK (whole IN ('yes', 'no')),
  finite TEXT CONSTRAINT ":finite is yes or no" CHECK (finite IN ('yes', 'no')),
  dtypes TEXT,
  frozen TEXT,
  architecture INTEGER CONSTRAINT ":architecture is 0 or 1" CHECK (architecture IN (0, 1)),
  max_change REAL CONSTRAINT ":max_change is a number of at least 0" CHECK (typeof(max_change) IN ('real', 'null') AND NOT max_change < 0),
  digests INTEGER CONSTRAINT ":digests is 0 or 1" CHECK (digests IN (0, 1)),
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters
  SELECT :path, :base, :rules, :whole, :finite, :dtypes, :frozen, :architecture, :max_change, :digests, ifnull(:format, 'text')
  WHERE safetensors_parameters(':path', ':base', ':rules', ':whole', ':finite', ':dtypes', ':frozen', ':architecture', ':max_change',
                               ':digests', ':format');

-- The file's rules; what is not set is NULL. `kinds` is what JSON a rule may be.
DROP TABLE IF EXISTS temp.gate_known;
CREATE TEMP TABLE gate_known(rule TEXT, kinds TEXT);
INSERT INTO gate_known VALUES ('whole', 'true,false'), ('finite', 'true,false'), ('dtypes', 'array,text'), ('frozen', 'array,text'),
                              ('architecture', 'true,false'), ('max_change', 'integer,real'), ('digests', 'true,false');
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(refused, path CONSTRAINT ":path has a tensor" CHECK (path > 0), base CONSTRAINT ":base has a tensor" CHECK (base > 0));
DROP TABLE IF EXISTS temp.gate_file;
CREATE TEMP TABLE gate_file AS
  SELECT iif(ltrim(rules) LIKE '{%', rules, CAST(readfile(rules) AS TEXT)) AS text FROM parameters WHERE rules IS NOT NULL;
INSERT INTO needs(refused) SELECT safetensors_refuse(CASE WHEN text IS NULL THEN 'there is no file ' || safetensors_label(rules)
                                                          ELSE ':rules is no JSON object: ' || safetensors_label(rules) END)
  FROM gate_file, parameters WHERE NOT ifnull(CASE WHEN json_valid(text) THEN json_type(text) = 'object' END, 0);
INSERT INTO needs(refused)
  SELECT safetensors_refuse(CASE
           WHEN k.rule IS NULL THEN printf('there is no rule %s; the rules are %s', safetensors_label(j.key), (SELECT group_concat(rule, ', ') FROM gate_known))
           WHEN ',' || k.kinds || ',' NOT LIKE '%,' || j.type || ',%'
           THEN printf('the rule %s is %s, found %s', k.rule, replace(replace(k.kinds, ',', ' or '), 'array or text', 'a text or an array of texts'), j.type)
           ELSE printf('the rule %s is an array of texts', k.rule) END)
  FROM gate_file AS f, json_each(f.text) AS j LEFT JOIN gate_known AS k ON k.rule = j.key
  WHERE k.rule IS NULL OR ',' || k.kinds || ',' NOT LIKE '%,' || j.type || ',%'
    OR j.type = 'array' AND EXISTS (SELECT 1 FROM json_each(j.value) AS i WHERE i.type <> 'text') LIMIT 1;
INSERT INTO needs(refused)
  SELECT safetensors_refuse('the rule ' || j.key || ' is there twice')
  FROM gate_file AS f, json_each(f.text) AS j GROUP BY j.key HAVING count(*) > 1 LIMIT 1;
UPDATE parameters SET
  whole = ifnull(whole, iif((SELECT json_type(text, '$.whole') FROM gate_file) = 'false', 'no', 'yes')),
  finite = ifnull(finite, iif((SELECT json_type(text, '$.finite') FROM gate_file) = 'false', 'no', 'yes')),
  architecture = coalesce(architecture, (SELECT json_type(text, '$.architecture') = 'true' FROM gate_file), 0),
  digests = coalesce(digests, (SELECT json_type(text, '$.digests') = 'true' FROM gate_file), 0),
  max_change = ifnull(max_change, (SELECT json_extract(text, '$.max_change') FROM gate_file));
-- The words of the two lists.
DROP TABLE IF EXISTS temp.gate_words;
CREATE TEMP TABLE gate_words AS
  WITH given(rule, text) AS (SELECT 'dtypes', dtypes FROM parameters UNION ALL SELECT 'frozen', frozen FROM parameters),
  lists(rule, list) AS (
    SELECT rule, coalesce('["' || replace(replace(replace(text, '\', '\\'), '"', '\"'), ',', '","') || '"]',
                          (SELECT iif(json_type(f.text, '$.' || rule) = 'text', json_array(json_extract(f.text, '$.' || rule)),
                                      json_extract(f.text, '$.' || rule)) FROM gate_file AS f))
    FROM given)
  SELECT rule, trim(j.value) AS word FROM lists, json_each(list) AS j WHERE trim(j.value) <> '';
INSERT INTO needs(refused)
  SELECT safetensors_refuse('the rule ' || rule || ' is empty') FROM gate_known AS k
  WHERE rule IN ('dtypes', 'frozen') AND NOT EXISTS (SELECT 1 FROM gate_words AS w WHERE w.rule = k.rule) AND (
    (SELECT json_type(text, '$.' || k.rule) FROM gate_file) IS NOT NULL OR (SELECT iif(k.rule = 'dtypes', dtypes, frozen) FROM parameters) IS NOT NULL);
DROP TABLE IF EXISTS temp.gate_rules;
CREATE TEMP TABLE gate_rules AS
  SELECT k.rowid AS place, k.rule FROM gate_known AS k, parameters AS p
  WHERE CASE rule WHEN 'whole' THEN whole = 'yes' WHEN 'finite' THEN finite = 'yes' WHEN 'architecture' THEN architecture
                  WHEN 'digests' THEN digests WHEN 'max_change' THEN max_change IS NOT NULL
                  ELSE EXISTS (SELECT 1 FROM gate_words AS w WHERE w.rule = k.rule) END;
INSERT INTO needs(refused) SELECT safetensors_refuse('no rule is set: nothing would be looked at') WHERE NOT EXISTS (SELECT 1 FROM gate_rules);
INSERT INTO needs(refused)
  SELECT safetensors_refuse('the rule ' || rule || ' compares with :base, which is not set') FROM gate_rules, parameters
  WHERE rule IN ('frozen', 'architecture', 'max_change') AND base IS NULL LIMIT 1;

-- == The models, and base, which is one.
DROP TABLE IF EXISTS temp.gate_models;
CREATE TEMP TABLE gate_models(
  model TEXT PRIMARY KEY, tensors INTEGER, status TEXT, error TEXT, good AS (status = 'ok')
);
INSERT OR IGNORE INTO gate_models SELECT model, tensors, status, error FROM safetensors_models(:path);
INSERT INTO needs(path) SELECT total(status <> 'empty') FROM gate_models;
DROP TABLE IF EXISTS temp.gate_base;
CREATE TEMP TABLE gate_base AS SELECT m.model FROM parameters AS p, safetensors_models(p.base) AS m;
INSERT INTO needs(refused)
  SELECT safetensors_refuse(printf(':base is %d models, and one is compared with: %s%s', count(*),
           group_concat(safetensors_label(model), ', ') FILTER (WHERE n <= 20), iif(count(*) > 20, ', …', '')))
  FROM (SELECT model, row_number() OVER () AS n FROM gate_base) HAVING count(*) > 1;
DROP TABLE IF EXISTS temp.gate_weights;
CREATE TEMP TABLE gate_weights(name TEXT PRIMARY KEY, shape TEXT, role TEXT, ref TEXT) WITHOUT ROWID;
INSERT OR IGNORE INTO gate_weights SELECT w.name, w.shape, w.role, w.ref FROM gate_base AS b, safetensors_weights(b.model) AS w;
INSERT INTO needs(base) SELECT count(*) FROM gate_weights HAVING :base IS NOT NULL;
INSERT INTO needs(refused)
  SELECT safetensors_refuse('no tensor of :base has a name that is frozen: ' || safetensors_label(word)) FROM gate_words
  WHERE rule = 'frozen' AND NOT EXISTS (SELECT 1 FROM gate_base AS b, safetensors_tensors(b.model) AS t WHERE t.name GLOB word) LIMIT 1;

-- == What breaks a rule. A model that cannot be read is asked by the first rule alone.
DROP TABLE IF EXISTS temp.gate_failures;
CREATE TEMP TABLE gate_failures(model TEXT, rule TEXT, tensor TEXT, message TEXT);
INSERT INTO gate_failures
  SELECT m.model, r.rule, NULL, iif(status = 'empty', 'there is no tensor', error) FROM gate_models AS m, (SELECT rule FROM gate_rules ORDER BY place LIMIT 1) AS r
  WHERE NOT good;
INSERT INTO gate_failures
  SELECT m.model, r.rule, c.tensor, c.code || ': ' || c.message FROM gate_rules AS r JOIN gate_models AS m, safetensors_check(m.model) AS c
  WHERE r.rule = 'whole' AND m.good AND c.severity = 'error';
INSERT INTO gate_failures
  SELECT m.model, r.rule, w.name,
         CASE WHEN w.ref IS NULL THEN 'not looked at: ' || w.scheme || ': ' || w.status
              ELSE rtrim(iif(s.n_nan > 0, printf('%,d NaN, ', s.n_nan), '') || iif(s.n_inf > 0, printf('%,d infinite, ', s.n_inf), ''), ', ')
                   || printf(' of %,d', w.numel) END
  FROM gate_rules AS r JOIN gate_models AS m, safetensors_weights(m.model) AS w
  LEFT JOIN tensor_stats(iif(w.scheme NOT IN ('none', 'unknown') OR w.dtype LIKE '%F%' OR w.dtype = 'C64', w.ref, NULL)) AS s
  WHERE r.rule = 'finite' AND m.good AND (w.ref IS NULL OR s.n_nan + s.n_inf > 0);
INSERT INTO gate_failures
  SELECT m.model, r.rule, t.name, t.dtype FROM gate_rules AS r JOIN gate_models AS m, safetensors_tensors(m.model) AS t
  WHERE r.rule = 'dtypes' AND m.good AND t.dtype NOT IN (SELECT word FROM gate_words AS w WHERE w.rule = 'dtypes');
INSERT INTO gate_failures
  SELECT m.model, r.rule, d.name,
         CASE d.status WHEN 'changed' THEN 'other bytes' WHEN 'only_a' THEN 'missing' WHEN 'only_b' THEN 'not in base'
                       WHEN 'retyped' THEN d.dtype_a || ' > ' || d.dtype_b ELSE d.shape_a || ' > ' || d.shape_b END
  FROM gate_rules AS r JOIN gate_models AS m JOIN gate_base AS b, safetensors_diff(b.model, m.model) AS d
  WHERE r.rule = 'frozen' AND m.good AND EXISTS (SELECT 1 FROM gate_words AS w WHERE w.rule = 'frozen' AND d.name GLOB w.word) AND d.status <> 'same';
INSERT INTO gate_failures
  SELECT m.model, r.rule, w.name, CASE WHEN b.name IS NULL THEN 'not in base' ELSE printf('%s > %s', b.shape, ifnull(w.shape, '?')) END
  FROM gate_rules AS r JOIN gate_models AS m, safetensors_weights(m.model) AS w LEFT JOIN gate_weights AS b ON b.name = w.name
  WHERE r.rule = 'architecture' AND m.good AND (b.name IS NULL AND w.role IN ('weight', 'buffer') OR b.shape IS NOT w.shape AND b.name IS NOT NULL);
INSERT INTO gate_failures
  SELECT m.model, r.rule, b.name, 'missing ' || b.shape FROM gate_rules AS r JOIN gate_models AS m JOIN gate_weights AS b
  WHERE r.rule = 'architecture' AND m.good AND b.role IN ('weight', 'buffer')
    AND NOT EXISTS (SELECT 1 FROM safetensors_weights(m.model) AS w WHERE w.name = b.name);
DROP TABLE IF EXISTS temp.gate_changes;
CREATE TEMP TABLE gate_changes AS
  SELECT m.model, w.name, w.numel, c.n_nan_one, c.n_diff, c.rel_l2, p.max_change AS limit_, b.ref IS NULL OR w.ref IS NULL AS unread
  FROM parameters AS p JOIN gate_models AS m, safetensors_weights(m.model) AS w JOIN gate_weights AS b ON b.name = w.name
  LEFT JOIN tensor_compare(b.ref, iif(b.shape = w.shape, w.ref, NULL)) AS c
  WHERE p.max_change IS NOT NULL AND m.good AND b.shape = w.shape;
INSERT INTO gate_failures
  SELECT model, 'max_change', name,
         CASE WHEN unread THEN 'not looked at: it cannot be unpacked' WHEN n_nan_one > 0 THEN printf('%,d NaN on one side', n_nan_one)
              WHEN rel_l2 IS NULL THEN 'no number stands in the place of another' ELSE printf('%.3g', rel_l2) END
  FROM gate_changes WHERE unread OR n_nan_one > 0 OR rel_l2 > limit_ OR rel_l2 IS NULL AND numel > 0
  ORDER BY model, rel_l2 DESC;
INSERT INTO gate_failures
  SELECT m.model, 'max_change', NULL, 'no weight has the name and shape of one of base' FROM parameters AS p, gate_models AS m
  WHERE max_change IS NOT NULL AND good AND NOT EXISTS (SELECT 1 FROM gate_changes AS c WHERE c.model = m.model);
DROP TABLE IF EXISTS temp.gate_claims;
CREATE TEMP TABLE gate_claims AS
  SELECT m.model, v.* FROM gate_rules AS r JOIN gate_models AS m, safetensors_verify(m.model) AS v WHERE r.rule = 'digests' AND m.good;
INSERT INTO gate_failures
  SELECT model, 'digests', NULL, safetensors_label(file) || ': ' || CASE status WHEN 'differs' THEN claim || ' has ' || ifnull(expected, '?') || ', found ' || ifnull(actual, '?')
                                                           ELSE 'missing' END
  FROM gate_claims WHERE status IN ('differs', 'missing');
INSERT INTO gate_failures
  SELECT model, 'digests', NULL, 'nothing that can be checked is claimed about it' FROM gate_models AS m
  WHERE good AND EXISTS (SELECT 1 FROM gate_rules WHERE rule = 'digests')
    AND NOT EXISTS (SELECT 1 FROM gate_claims AS c WHERE c.model = m.model AND c.status IN ('ok', 'differs', 'missing'));
CREATE INDEX temp.gate_failures_by_rule ON gate_failures(model, rule);

DROP TABLE IF EXISTS temp.gate;
CREATE TEMP TABLE gate AS
  SELECT m.model, r.rule, CASE WHEN broken > 0 THEN 0 WHEN m.good THEN 1 END AS kept, iif(m.good, checked, NULL) AS checked, broken,
         CASE WHEN NOT m.good AND broken = 0 THEN 'not looked at'
              WHEN broken = 0 THEN CASE r.rule
                WHEN 'whole' THEN 'no error'
                WHEN 'finite' THEN 'no NaN and no infinity'
                WHEN 'dtypes' THEN (SELECT group_concat(word, ', ') FROM gate_words AS w WHERE w.rule = 'dtypes')
                WHEN 'frozen' THEN printf('%,d tensors are the same as in base', checked)
                WHEN 'architecture' THEN 'the names and shapes of base'
                WHEN 'max_change' THEN printf('at most %.3g in %,d weights', (SELECT max(rel_l2) FROM gate_changes AS c WHERE c.model = m.model), checked)
                  || ifnull((SELECT printf('; %,d have none of that name and shape in base', nullif(count(*), 0)) FROM safetensors_weights(m.model) AS w
                             WHERE role = 'weight' AND name NOT IN (SELECT name FROM gate_changes AS c WHERE c.model = m.model) HAVING count(*) > 0), '')
                ELSE printf('%,d claims are true', checked) END
              WHEN NOT m.good THEN first
              ELSE printf(CASE r.rule WHEN 'whole' THEN '%,d error%s: ' WHEN 'finite' THEN '%,d tensor%s not finite: ' WHEN 'dtypes' THEN '%,d tensor%s of another dtype: '
                          WHEN 'frozen' THEN '%,d tensor%s changed: ' WHEN 'architecture' THEN '%,d tensor%s not as in base: '
                          WHEN 'max_change' THEN '%,d weight%s changed by more than ' || p.max_change || ': ' ELSE '%,d claim%s not true: ' END, broken, iif(broken = 1, '', 's'))
                   || first || iif(broken > 1, ' and others', '') END AS message
  FROM parameters AS p JOIN gate_models AS m JOIN (
    SELECT m.model, r.rule, r.place, count(f.rule) AS broken, min(f.rowid), -- and of that one:
           ifnull(safetensors_label(f.tensor) || iif(f.message = '', '', ': '), '') || safetensors_label(f.message) AS first,
           CASE r.rule WHEN 'frozen' THEN (SELECT count(*) FROM gate_base AS b, safetensors_tensors(b.model) AS t
                                           WHERE EXISTS (SELECT 1 FROM gate_words AS w WHERE w.rule = 'frozen' AND t.name GLOB w.word))
                       WHEN 'architecture' THEN (SELECT total(role IN ('weight', 'buffer')) FROM gate_weights)
                       WHEN 'max_change' THEN (SELECT count(*) FROM gate_changes AS c WHERE c.model = m.model)
                       WHEN 'digests' THEN (SELECT count(*) FROM gate_claims AS c WHERE c.model = m.model AND claim IS NOT NULL)
                       ELSE m.tensors END AS checked
    FROM gate_models AS m JOIN gate_rules AS r LEFT JOIN gate_failures AS f ON f.model = m.model AND f.rule = r.rule GROUP BY m.model, r.rule
  ) AS r ON r.model = m.model
  ORDER BY m.rowid, r.place;
DROP TABLE IF EXISTS temp.gate_findings;
CREATE TEMP TABLE gate_findings AS
  SELECT g.rule, CASE g.kept WHEN 1 THEN 'ok' WHEN 0 THEN 'error' ELSE 'skipped' END AS level, g.model AS file, f.tensor, ifnull(f.message, g.message) AS message
  FROM gate AS g LEFT JOIN gate_failures AS f ON f.model = g.model AND f.rule = g.rule ORDER BY g.kept IS NOT 0, g.rowid, f.rowid;

-- == For people.
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'gate', 'gate_failures', 'gate_findings') FROM parameters WHERE format IN ('json', 'csv');
SELECT safetensors_print(format, 'gate_findings') FROM parameters WHERE format IN ('junit', 'sarif');
SELECT CASE WHEN models > 1 AND bad = 0 THEN printf('Yes: all %,d models keep the %s.', models, iif(rules = 1, 'rule', printf('%d rules', rules)))
            WHEN models > 1 THEN printf('No: %,d of %,d models %s a rule.', bad, models, iif(bad = 1, 'breaks', 'break'))
            WHEN bad = 0 THEN printf('Yes: %s.', iif(rules = 1, 'the rule is kept', printf('all %d rules are kept', rules)))
            ELSE printf('No: %d of %d rules %s not kept.', lost, rules, iif(lost = 1, 'is', 'are')) END
FROM as_text, (SELECT count(DISTINCT model) AS models, count(DISTINCT rule) AS rules, count(DISTINCT iif(kept, NULL, model)) AS bad,
                      total(kept IS NOT 1) AS lost FROM gate);
-- The lines of a model, under its name if there are others; of several, those that break no rule have none.
WITH models AS (SELECT model, min(rowid) AS place, min(ifnull(kept, 0)) AS good, (SELECT count(*) FROM gate_models) AS n FROM gate GROUP BY model)
SELECT line FROM (
  SELECT good, place, -1 AS bad, 0 AS n, char(10) || safetensors_label(model, (SELECT safetensors_common(model) FROM gate_models)) || ':' AS line
  FROM models WHERE n > 1 AND NOT good
  UNION ALL
  SELECT good, place, ifnull(kept, 0), g.rowid,
         printf('%-4s %-13s %s', CASE kept WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE '-' END, rule, rtrim(g.message, '.') || '.')
  FROM models JOIN gate AS g USING (model) WHERE n = 1 OR NOT good), as_text ORDER BY good, place, bad, n;
SELECT char(10) || '== What breaks them' FROM as_text WHERE EXISTS (SELECT 1 FROM gate WHERE broken > 1);
SELECT printf('%s: %s', rule, iif((SELECT count(*) FROM gate_models) > 1, safetensors_label(model, (SELECT safetensors_common(model) FROM gate_models)) || ': ', '') || ifnull(safetensors_label(tensor) || ': ', '')
              || safetensors_label(message))
FROM as_text, (SELECT *, row_number() OVER (PARTITION BY model, rule ORDER BY rowid) AS n, count(*) OVER (PARTITION BY model, rule) AS of FROM gate_failures)
WHERE of > 1 AND n <= 10 LIMIT 100;
SELECT printf('and %,d more', n) FROM as_text, (
  SELECT sum(broken) - min(100, sum(min(broken, 10))) AS n FROM gate WHERE broken > 1) WHERE n > 0;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(broken);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.broken > 0 BEGIN
  SELECT RAISE(ABORT, 'a rule is not kept');
END;
INSERT INTO verdict SELECT count(*) FROM gate WHERE kept IS NOT 1;
