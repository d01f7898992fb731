-- Tenants by a small number, so that the big tables carry eight bytes instead of a GUID.
CREATE TABLE tenant (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT    NOT NULL UNIQUE,
    closing     INTEGER NOT NULL DEFAULT 0, -- newest closing
    changed     INTEGER NOT NULL DEFAULT 0, -- newest closing that changed a record
    pool        TEXT    NOT NULL DEFAULT '',
    datasets    TEXT    NOT NULL DEFAULT '', -- names read now, by spaces, as the newest seal has them
    datasets_at INTEGER NOT NULL DEFAULT 0   -- when that seal was made
) STRICT;

-- What the ledger knows of each dataset of a tenant.
CREATE TABLE dataset_state (
    tenant   INTEGER NOT NULL REFERENCES tenant (id),
    dataset  TEXT    NOT NULL,
    applied  INTEGER NOT NULL, -- newest applied run
    whole    INTEGER NOT NULL, -- newest run that was applied completely
    read_end INTEGER NOT NULL, -- when the newest applied run had been read: nothing was seen later
    complete INTEGER NOT NULL, -- whether the newest applied run was complete
    live     INTEGER NOT NULL, -- live records
    pages    INTEGER NOT NULL, -- of the newest applied run, as are the next two
    objects  INTEGER NOT NULL,
    changes  INTEGER NOT NULL,
    PRIMARY KEY (tenant, dataset)
) STRICT, WITHOUT ROWID;

-- Newest state of each record; a removed one stays as a row without body, for the feed.
CREATE TABLE record (
    id      INTEGER PRIMARY KEY,
    tenant  INTEGER NOT NULL,
    kind    INTEGER NOT NULL, -- number of RecordKind
    key     TEXT    NOT NULL,
    hash    BLOB    NOT NULL,
    closing INTEGER NOT NULL, -- the closing that last changed it
    removed INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    source  INTEGER           -- page_source; empty for derived records
) STRICT;
CREATE UNIQUE INDEX record_key ON record (tenant, kind, key);
CREATE INDEX record_closing ON record (tenant, closing, kind, key);

-- The pages that records came from: every value can be traced to an answer of Graph.
CREATE TABLE page_source (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    dataset    TEXT    NOT NULL,
    run        INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    sha256     BLOB    NOT NULL,
    request_id TEXT    NOT NULL
) STRICT;

-- Mapped pages that wait for their seal.
CREATE TABLE inbox_page (
    id         INTEGER PRIMARY KEY,
    tenant     INTEGER NOT NULL,
    dataset    TEXT    NOT NULL,
    run        INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    gap        TEXT,             -- why the page can't be used; empty for a usable one
    objects    INTEGER NOT NULL,
    set_aside  INTEGER NOT NULL,
    sha256     BLOB    NOT NULL,
    request_id TEXT    NOT NULL,
    content    BLOB    NOT NULL  -- zstd of inbox::Content
) STRICT;
CREATE UNIQUE INDEX inbox_page_name ON inbox_page (tenant, dataset, run, attempt, sequence);

-- Seals that wait for their pages.
CREATE TABLE inbox_seal (
    tenant  INTEGER NOT NULL,
    dataset TEXT    NOT NULL,
    run     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    dead    INTEGER NOT NULL, -- came as a dead letter: waits for nothing, and its run is incomplete
    seal    BLOB    NOT NULL,
    PRIMARY KEY (tenant, dataset, run, attempt)
) STRICT;

-- Records whose absence is suspected.
CREATE TABLE suspect (
    tenant  INTEGER NOT NULL,
    dataset TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    state   INTEGER NOT NULL, -- 0 open, 1 held by the guard, 2 approved
    run     INTEGER NOT NULL, -- the run that raised the suspicion or was held
    PRIMARY KEY (tenant, dataset, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX suspect_run ON suspect (run, state);

-- What became of each sealed run, with its verdict until the queue has confirmed it.
CREATE TABLE closing (
    id                INTEGER PRIMARY KEY,
    tenant            INTEGER NOT NULL,
    closing           INTEGER NOT NULL, -- 0 when nothing was applied
    dataset           TEXT    NOT NULL,
    run               INTEGER NOT NULL,
    attempt           INTEGER NOT NULL,
    mode              INTEGER NOT NULL,
    pages             INTEGER NOT NULL,
    requests          INTEGER NOT NULL,
    started_at        INTEGER NOT NULL,
    closed_at         INTEGER NOT NULL,
    changed_records   INTEGER NOT NULL,
    verdict           BLOB    NOT NULL,
    verdict_published INTEGER NOT NULL DEFAULT 0,
    announced         INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX closing_number ON closing (tenant, closing);
CREATE INDEX closing_seal ON closing (tenant, dataset, run, attempt);
CREATE INDEX closing_outbox ON closing (id) WHERE verdict_published = 0 OR announced = 0;

-- Objects that could not be read, without their content.
CREATE TABLE set_aside (
    id       INTEGER PRIMARY KEY,
    tenant   INTEGER NOT NULL,
    dataset  TEXT    NOT NULL,
    run      INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    key      TEXT,
    reason   TEXT    NOT NULL,
    at       INTEGER NOT NULL
) STRICT;
CREATE INDEX set_aside_run ON set_aside (tenant, dataset, run);

-- Users by product, kept up to date by differences; see position/count.rs.
CREATE TABLE license_count (
    tenant           INTEGER NOT NULL,
    sku              TEXT    NOT NULL,
    assigned         INTEGER NOT NULL,
    direct           INTEGER NOT NULL,
    by_group         INTEGER NOT NULL,
    both             INTEGER NOT NULL,
    unknown          INTEGER NOT NULL,
    in_error         INTEGER NOT NULL,
    disabled         INTEGER NOT NULL,
    assigned_blocked INTEGER NOT NULL,
    assigned_guests  INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku)
) STRICT, WITHOUT ROWID;
