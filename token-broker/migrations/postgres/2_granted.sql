-- What the last token of each app granted, as JSON without the token's id: a change is told whoever sees it, and when.
CREATE TABLE granted (
    tenant_id TEXT COLLATE "C" NOT NULL,
    -- Name, client id, authority and resource: another one is another app.
    app       TEXT COLLATE "C" NOT NULL,
    claims    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, app)
);
