-- Tenants that nothing is asked of Graph for, until somebody lets them go on.
CREATE TABLE pause (
    tenant TEXT COLLATE "C" PRIMARY KEY,
    since  BIGINT NOT NULL,
    who    TEXT   NOT NULL,
    why    TEXT   NOT NULL
);
