-- From when on a tenant is told of what, where it isn't at the defaults.
CREATE TABLE alert_rules (
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    id              TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    scope           TEXT    NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'provider')),
    scope_name      TEXT    NOT NULL,
    scope_value     TEXT    NOT NULL,
    is_on           INTEGER NOT NULL CHECK (is_on IN (0, 1)),
    floor_nano      INTEGER NOT NULL,  -- of a spike: beyond the usual, an hour
    ratio_percent   INTEGER NOT NULL,  -- of a spike: 200 is twice the usual
    hours           INTEGER NOT NULL,  -- of a budget that burns
    failing_percent INTEGER NOT NULL,  -- of a provider
    least_calls     INTEGER NOT NULL,
    unused_days     INTEGER NOT NULL,  -- of a key
    changed_at      INTEGER NOT NULL,
    changed_by      TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, scope, scope_name, scope_value)
) STRICT;

-- What is not told for a while. Ended ones stay.
CREATE TABLE alert_mutes (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    id          TEXT    NOT NULL,
    kind        TEXT,             -- null: all
    scope       TEXT    NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'provider', 'model')),
    scope_name  TEXT    NOT NULL,
    scope_value TEXT    NOT NULL,
    until       INTEGER,          -- null: until somebody ends it
    why         TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    muted_by    TEXT    NOT NULL,
    ended_at    INTEGER,          -- by hand, before its time
    ended_by    TEXT,
    applied_at  INTEGER,  -- when what waited was held back by it
    PRIMARY KEY (tenant_id, id),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
) STRICT;
CREATE INDEX alert_mutes_running ON alert_mutes (tenant_id) WHERE ended_at IS NULL;
CREATE INDEX alert_mutes_new ON alert_mutes (tenant_id, id) WHERE applied_at IS NULL;

-- When people don't want to be disturbed by what can wait.
CREATE TABLE alert_settings (
    tenant_id   TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    quiet_days  TEXT    NOT NULL,  -- the days on which it begins, 1 (Monday) to 7, in order; empty: never
    quiet_from  INTEGER NOT NULL,  -- minutes of the day
    quiet_to    INTEGER NOT NULL,  -- not after quiet_from: of the next day
    quiet_pager INTEGER NOT NULL CHECK (quiet_pager IN (0, 1)),  -- PagerDuty waits as well
    changed_at  INTEGER NOT NULL,
    changed_by  TEXT    NOT NULL
) STRICT;

-- The mute that keeps it from being told; null where none does.
ALTER TABLE alerts ADD COLUMN mute_id TEXT;
CREATE INDEX alerts_muted ON alerts (tenant_id, mute_id) WHERE mute_id IS NOT NULL AND condition IS NOT NULL AND resolved_at IS NULL;
CREATE INDEX alerts_ends ON alerts (tenant_id, resolves) WHERE resolves IS NOT NULL;
-- Those that somebody should look after.
CREATE INDEX alerts_unseen ON alerts (tenant_id, id) WHERE acknowledged_at IS NULL AND resolved_at IS NULL AND resolves IS NULL;

ALTER TABLE alert_deliveries ADD COLUMN dropped_at INTEGER;                -- it was over before it was sent
ALTER TABLE alert_deliveries ADD COLUMN round      INTEGER NOT NULL DEFAULT 1;  -- 2: told again after a mute
