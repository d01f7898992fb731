-- Who works for a tenant, and until when (microseconds since 1970, by the clock of the database). The attempt is the
-- fencing number.
CREATE TABLE lease (
    tenant  TEXT COLLATE "C" PRIMARY KEY,
    attempt BIGINT NOT NULL,
    holder  TEXT   NOT NULL,
    until   BIGINT NOT NULL
);

-- The state of each dataset; the JSON texts are the types of collector::run and collector::schedule.
CREATE TABLE dataset (
    tenant   TEXT COLLATE "C" NOT NULL,
    dataset  TEXT COLLATE "C" NOT NULL,
    cursor   TEXT   NOT NULL,
    open     TEXT,
    sealed   TEXT,
    schedule TEXT   NOT NULL,
    -- When there is something to do next, microseconds since 1970.
    wake_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, dataset)
);

CREATE INDEX dataset_wake ON dataset (wake_at, tenant, dataset);
