-- Former states of records. In the order in which they were replaced, so that the oldest go first.
CREATE TABLE record_history (
    tenant   INTEGER NOT NULL,
    replaced INTEGER NOT NULL, -- the closing that took this state's place
    kind     INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    closing  INTEGER NOT NULL, -- the closing that had made this state
    source   INTEGER,          -- page_source of it
    removed  INTEGER NOT NULL,
    body     BLOB    NOT NULL,
    PRIMARY KEY (tenant, replaced, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_history_key ON record_history (tenant, kind, key, replaced);
-- From this closing on every state that was replaced is kept. What an earlier release replaced is not known.
ALTER TABLE tenant ADD COLUMN history_from INTEGER NOT NULL DEFAULT 0;
UPDATE tenant SET history_from = closing + 1 WHERE closing > 0;
