-- The columns that this sink made: by them it knows its own from those that people added.
CREATE TABLE sink_column (
    kind  TEXT COLLATE "C" NOT NULL,
    -- As the contract spells it in JSON.
    field TEXT COLLATE "C" NOT NULL,
    -- What the column is called.
    name  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, field)
);
