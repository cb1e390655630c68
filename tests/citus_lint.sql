-- What keeps this schema from being sharded by tender_id, one row per breach: (relation, breach).
-- It reads the catalogue of a plain PostgreSQL. A table says what it is in its comment:
--   citus: distributed   sharded by tender_id         citus: reference   copied to every node
--   citus: local         stays on the coordinator (queues, the log's order)
WITH relation AS (
  SELECT
    c.oid,
    c.oid::regclass::text AS name,
    substring(obj_description(c.oid, 'pg_class') FROM 'citus: (distributed|reference|local)\M') AS placement,
    key.attnum AS key,
    coalesce(key.attnotnull AND key.atttypid = 'uuid'::regtype, false) AS key_is_sound
  FROM pg_class c
  LEFT JOIN pg_attribute key ON key.attrelid = c.oid AND key.attname = 'tender_id' AND NOT key.attisdropped
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
),

reference AS (  -- foreign keys with both ends; together: tender_id stands at the same place on both sides
  SELECT
    source.name,
    source.placement,
    source.key,
    target.placement AS target_placement,
    target.name AS target,
    fk.conname,
    fk.conkey,
    fk.confdeltype,
    EXISTS (
      SELECT FROM unnest(fk.conkey, fk.confkey) AS pair (here, there)
      WHERE pair.here = source.key AND pair.there = target.key
    ) AS together
  FROM pg_constraint fk
  JOIN relation source ON source.oid = fk.conrelid
  JOIN relation target ON target.oid = fk.confrelid
  WHERE fk.contype = 'f'
)

SELECT name AS relation, 'its comment does not say citus: distributed, reference or local' AS breach
FROM relation
WHERE placement IS NULL

UNION ALL
SELECT name, 'tender_id has to be a uuid and not null'
FROM relation
WHERE placement = 'distributed' AND NOT key_is_sound

UNION ALL
SELECT name, 'unique without tender_id: ' || i.indexrelid::regclass
FROM relation
JOIN pg_index i ON i.indrelid = relation.oid
WHERE placement = 'distributed' AND (i.indisunique OR i.indisexclusion)
  AND (relation.key = ANY (i.indkey::int2 [])) IS NOT TRUE

UNION ALL
SELECT name, 'foreign key ' || conname || ' leaves the tender, or points from ' || placement
  || ' to ' || target_placement || ' table ' || target
FROM reference
WHERE NOT coalesce(
  target_placement = 'reference'
  OR (placement = 'local' AND target_placement = 'local')
  OR (placement = 'distributed' AND target_placement = 'distributed' AND together), false)

UNION ALL
SELECT name, 'foreign key ' || conname || ' would change tender_id on delete'
FROM reference
WHERE placement = 'distributed' AND confdeltype IN ('n', 'd') AND key = ANY (conkey)

UNION ALL
SELECT name, 'sequence behind ' || a.attname || ': ids come from the application'
FROM relation
JOIN pg_attribute a ON a.attrelid = relation.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = relation.oid AND d.adnum = a.attnum
WHERE placement <> 'local'
  AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')

UNION ALL
SELECT name, 'trigger ' || t.tgname
FROM relation
JOIN pg_trigger t ON t.tgrelid = relation.oid AND NOT t.tgisinternal
WHERE placement <> 'local'

UNION ALL
SELECT name, 'the service may update tender_id: grant it single columns'
FROM relation
WHERE placement = 'distributed' AND key IS NOT NULL
  AND has_column_privilege('openseal_service', relation.oid, key, 'UPDATE')

ORDER BY 1, 2
