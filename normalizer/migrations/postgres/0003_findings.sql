-- What is known of each product of a tenant, as findings have been derived from it; see finding/settle.rs.
CREATE TABLE finding_basis (
    tenant      BIGINT NOT NULL,
    sku         TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA  NOT NULL,
    PRIMARY KEY (tenant, sku)
);
