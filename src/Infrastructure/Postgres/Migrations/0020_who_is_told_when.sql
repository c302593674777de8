-- From when on a tenant is told of what, where it isn't at the defaults.
CREATE TABLE alert_rules (
    tenant_id       text COLLATE "C"    NOT NULL REFERENCES tenants (id),
    id              text COLLATE "C"    NOT NULL,
    kind            text COLLATE "C"    NOT NULL,
    scope           text COLLATE "C"    NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'provider')),
    scope_name      text COLLATE "C"    NOT NULL,
    scope_value     text COLLATE "C"    NOT NULL,
    is_on           boolean NOT NULL,
    floor_nano      bigint NOT NULL,  -- of a spike: beyond the usual, an hour
    ratio_percent   integer NOT NULL,  -- of a spike: 200 is twice the usual
    hours           integer NOT NULL,  -- of a budget that burns
    failing_percent integer NOT NULL,  -- of a provider
    least_calls     integer NOT NULL,
    unused_days     integer NOT NULL,  -- of a key
    changed_at      bigint NOT NULL,
    changed_by      text COLLATE "C"    NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, scope, scope_name, scope_value)
);

-- What is not told for a while. Ended ones stay.
CREATE TABLE alert_mutes (
    tenant_id   text COLLATE "C"    NOT NULL REFERENCES tenants (id),
    id          text COLLATE "C"    NOT NULL,
    kind        text COLLATE "C",             -- null: all
    scope       text COLLATE "C"    NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'provider', 'model')),
    scope_name  text COLLATE "C"    NOT NULL,
    scope_value text COLLATE "C"    NOT NULL,
    until       bigint,          -- null: until somebody ends it
    why         text COLLATE "C"    NOT NULL,
    at          bigint NOT NULL,
    muted_by    text COLLATE "C"    NOT NULL,
    ended_at    bigint,          -- by hand, before its time
    ended_by    text COLLATE "C",
    applied_at  bigint,  -- when what waited was held back by it
    PRIMARY KEY (tenant_id, id),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX alert_mutes_running ON alert_mutes (tenant_id) WHERE ended_at IS NULL;
CREATE INDEX alert_mutes_new ON alert_mutes (tenant_id, id) WHERE applied_at IS NULL;

-- When people don't want to be disturbed by what can wait.
CREATE TABLE alert_settings (
    tenant_id   text COLLATE "C"    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    quiet_days  text COLLATE "C"    NOT NULL,  -- the days on which it begins, 1 (Monday) to 7, in order; empty: never
    quiet_from  integer NOT NULL,  -- minutes of the day
    quiet_to    integer NOT NULL,  -- not after quiet_from: of the next day
    quiet_pager boolean NOT NULL,  -- PagerDuty waits as well
    changed_at  bigint NOT NULL,
    changed_by  text COLLATE "C"    NOT NULL
);

-- The mute that keeps it from being told; null where none does.
ALTER TABLE alerts ADD COLUMN mute_id text COLLATE "C";
CREATE INDEX alerts_muted ON alerts (tenant_id, mute_id) WHERE mute_id IS NOT NULL AND condition IS NOT NULL AND resolved_at IS NULL;
CREATE INDEX alerts_ends ON alerts (tenant_id, resolves) WHERE resolves IS NOT NULL;
-- Those that somebody should look after.
CREATE INDEX alerts_unseen ON alerts (tenant_id, id) WHERE acknowledged_at IS NULL AND resolved_at IS NULL AND resolves IS NULL;

ALTER TABLE alert_deliveries ADD COLUMN dropped_at bigint;                -- it was over before it was sent
ALTER TABLE alert_deliveries ADD COLUMN round      integer NOT NULL DEFAULT 1;  -- 2: told again after a mute
