-- A database in memory, filled and asked; the rows come from a recursive query, so no file is needed.
PRAGMA temp_store = MEMORY;
CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, price REAL);
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, i * 7919 % 997, 'item ' || hex(i * 2654435761 % 4294967296), i * 31 % 1000 / 10.0 FROM n;
CREATE INDEX item_owner ON item (owner, price);
CREATE INDEX item_name ON item (name);
CREATE TABLE best AS SELECT owner, count(*) AS items, max(price) AS price, group_concat(name) AS names FROM item GROUP BY owner;
UPDATE item SET name = name || ' of ' || owner WHERE owner % 3 = 0;
DELETE FROM item WHERE id % 5 = 0;
SELECT 'total ' || count(*) || ' ' || sum(length(names)) FROM best JOIN item USING (owner) WHERE item.price > 50;
