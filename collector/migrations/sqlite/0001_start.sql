-- Who works for a tenant, and until when (microseconds since 1970). The attempt is the fencing number.
CREATE TABLE lease (
    tenant TEXT NOT NULL PRIMARY KEY,
    attempt INTEGER NOT NULL,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
);

-- The state of each dataset; the JSON texts are the types of collector::run and collector::schedule.
CREATE TABLE dataset (
    tenant TEXT NOT NULL,
    dataset TEXT NOT NULL,
    cursor TEXT NOT NULL,
    open TEXT,
    sealed TEXT,
    schedule TEXT NOT NULL,
    -- When there is something to do next, microseconds since 1970.
    wake_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, dataset)
);

CREATE INDEX dataset_wake ON dataset (wake_at);
