-- What is known of each product of a tenant, as findings have been derived from it; see finding/settle.rs.
CREATE TABLE finding_basis (
    tenant      INTEGER NOT NULL,
    sku         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    PRIMARY KEY (tenant, sku)
) STRICT, WITHOUT ROWID;
