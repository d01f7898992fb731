-- Who got or lost a product by a run of users: what Microsoft's count may not show yet. Of many the rest is one row
-- without a key. See reconcile/moved.rs.
CREATE TABLE license_move (
    tenant   INTEGER NOT NULL,
    sku      TEXT NOT NULL,
    at       INTEGER NOT NULL, -- when the run had been read
    user_key TEXT NOT NULL,
    gained   INTEGER NOT NULL,
    lost     INTEGER NOT NULL,
    gone     INTEGER NOT NULL, -- lost because the user was removed
    PRIMARY KEY (tenant, sku, at, user_key)
);
CREATE INDEX license_move_at ON license_move (tenant, at);

-- Changes of consumedUnits: what Microsoft counted until products were read at this time.
CREATE TABLE consumed_change (
    tenant INTEGER NOT NULL,
    sku    TEXT NOT NULL,
    at     INTEGER NOT NULL,
    units  INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku, at)
);

-- Products of which Microsoft counts another number than users hold, and whether that is explained.
CREATE TABLE residual (
    tenant     INTEGER NOT NULL,
    sku        TEXT NOT NULL,
    reconciled INTEGER NOT NULL,
    PRIMARY KEY (tenant, sku)
);
CREATE INDEX residual_unreconciled ON residual (tenant) WHERE reconciled = 0;

-- The products that a user who could not be read holds, by spaces; empty where even that can't be read.
ALTER TABLE set_aside ADD COLUMN skus TEXT;
