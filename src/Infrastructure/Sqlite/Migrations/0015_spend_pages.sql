-- What pages about spend keep.

-- The cost of the dearest call of an hour's sums. And how many of the calls were added by a version that keeps this and the table below: where these aren't all
-- (hours from before, a node that still ran an older version), neither is known, and the events say.
ALTER TABLE usage_hourly ADD COLUMN dearest_nano INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly_tags ADD COLUMN dearest_nano INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly_tags ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;

-- The sums of an hour's calls that have both of the tags which pages know by name.
CREATE TABLE usage_hourly_pairs (
    tenant_id              TEXT    NOT NULL,
    environment            INTEGER NOT NULL,
    hour                   INTEGER NOT NULL,
    customer               TEXT    NOT NULL,
    feature                TEXT    NOT NULL,
    calls                  INTEGER NOT NULL,
    errors                 INTEGER NOT NULL,
    input_tokens           INTEGER NOT NULL,
    cache_read_tokens      INTEGER NOT NULL,
    cache_write_tokens     INTEGER NOT NULL,
    cache_write_1h_tokens  INTEGER NOT NULL,
    output_tokens          INTEGER NOT NULL,
    reasoning_tokens       INTEGER NOT NULL,
    cost_nano              INTEGER NOT NULL,
    unpriced               INTEGER NOT NULL,
    estimated              INTEGER NOT NULL,
    latency_us             INTEGER NOT NULL,
    latency_50ms           INTEGER NOT NULL,
    latency_100ms          INTEGER NOT NULL,
    latency_250ms          INTEGER NOT NULL,
    latency_500ms          INTEGER NOT NULL,
    latency_1s             INTEGER NOT NULL,
    latency_2500ms         INTEGER NOT NULL,
    latency_5s             INTEGER NOT NULL,
    latency_10s            INTEGER NOT NULL,
    latency_30s            INTEGER NOT NULL,
    latency_60s            INTEGER NOT NULL,
    latency_longer         INTEGER NOT NULL,
    first_byte_calls       INTEGER NOT NULL,
    first_byte_us          INTEGER NOT NULL,
    first_byte_50ms        INTEGER NOT NULL,
    first_byte_100ms       INTEGER NOT NULL,
    first_byte_250ms       INTEGER NOT NULL,
    first_byte_500ms       INTEGER NOT NULL,
    first_byte_1s          INTEGER NOT NULL,
    first_byte_2500ms      INTEGER NOT NULL,
    first_byte_5s          INTEGER NOT NULL,
    first_byte_10s         INTEGER NOT NULL,
    first_byte_30s         INTEGER NOT NULL,
    first_byte_60s         INTEGER NOT NULL,
    first_byte_longer      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, hour, customer, feature)
) STRICT;

-- Which colour of the charts a value of a dimension has: its place in the palette, given when a page first showed it and kept.
CREATE TABLE palette_places (
    tenant_id TEXT    NOT NULL,
    dimension TEXT    NOT NULL,  -- as in an address: model, team, customer, tag:stage
    value     TEXT    NOT NULL,
    place     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, dimension, value),
    UNIQUE (tenant_id, dimension, place)
) STRICT, WITHOUT ROWID;
