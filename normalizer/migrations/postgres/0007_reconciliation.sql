-- Who got or lost a product by a run of users: what Microsoft's count may not show yet. Of many the rest is one row
-- without a key. See reconcile/moved.rs.
CREATE TABLE license_move (
    tenant   BIGINT NOT NULL,
    sku      TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL, -- when the run had been read
    user_key TEXT COLLATE "C" NOT NULL,
    gained   BIGINT NOT NULL,
    lost     BIGINT NOT NULL,
    gone     BIGINT NOT NULL, -- lost because the user was removed
    PRIMARY KEY (tenant, sku, at, user_key)
);
CREATE INDEX license_move_at ON license_move (tenant, at);

-- Changes of consumedUnits: what Microsoft counted until products were read at this time.
CREATE TABLE consumed_change (
    tenant BIGINT NOT NULL,
    sku    TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    units  BIGINT NOT NULL,
    PRIMARY KEY (tenant, sku, at)
);

-- Products of which Microsoft counts another number than users hold, and whether that is explained.
CREATE TABLE residual (
    tenant     BIGINT NOT NULL,
    sku        TEXT COLLATE "C" NOT NULL,
    reconciled BIGINT NOT NULL,
    PRIMARY KEY (tenant, sku)
);
CREATE INDEX residual_unreconciled ON residual (tenant) WHERE reconciled = 0;

-- The products that a user who could not be read holds, by spaces; empty where even that can't be read.
ALTER TABLE set_aside ADD COLUMN skus TEXT;
