-- Tenants that nothing is asked of Graph for, until somebody lets them go on.
CREATE TABLE pause (
    tenant TEXT NOT NULL PRIMARY KEY,
    since  INTEGER NOT NULL,
    who    TEXT NOT NULL,
    why    TEXT NOT NULL
);
