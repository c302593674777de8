-- Answers to exact repeats. The answers themselves are never in this database.

-- For how long an answer to a call of this key may be given again; null for not at all.
ALTER TABLE metering_keys ADD COLUMN cache_seconds INTEGER CHECK (cache_seconds BETWEEN 1 AND 604800);

-- What a tenant's kept answers are named and sealed with, in memory and in Redis: a new one empties its cache. A node of a version from before makes tenants with an empty one.
ALTER TABLE tenants ADD COLUMN cache_epoch TEXT NOT NULL DEFAULT '';
UPDATE tenants SET cache_epoch = lower(hex(randomblob(16)));

-- What repeats saved: the calls that were answered from the cache, and what the calls had cost whose answers they got. Kept in the transaction that inserts the events.
CREATE TABLE repeat_savings_hourly (
    tenant_id   TEXT    NOT NULL,
    environment INTEGER NOT NULL,
    hour        INTEGER NOT NULL,
    provider    TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    key_id      TEXT    NOT NULL,
    project_id  TEXT    NOT NULL,
    team_id     TEXT    NOT NULL,
    repeats     INTEGER NOT NULL,
    saved_nano  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, hour, provider, model, key_id, project_id, team_id)
) STRICT, WITHOUT ROWID;
