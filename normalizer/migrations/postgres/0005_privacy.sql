-- Who was erased and must not come back, as keyed hashes of what they are known by; see privacy/suppression.rs.
CREATE TABLE suppression (
    tenant BIGINT NOT NULL,
    hash   BYTEA  NOT NULL, -- of an id, a sign-in name or a pseudonym of one
    person BYTEA  NOT NULL, -- the hash that stands for the person
    key_id TEXT   NOT NULL, -- which key made it
    since  BIGINT NOT NULL, -- microseconds since 1970
    PRIMARY KEY (tenant, hash)
);
