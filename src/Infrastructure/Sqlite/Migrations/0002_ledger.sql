-- The ledger. One row of usage_events is one upstream attempt; it never changes. Costs are whole nano-dollars (1e-9 USD), times and durations
-- microseconds. Enumerations are kept by name, so that a row can be read without this program.

CREATE TABLE usage_events (
    request_id            TEXT    NOT NULL,
    attempt               INTEGER NOT NULL,
    tenant_id             TEXT    NOT NULL,
    key_id                TEXT    NOT NULL,
    team_id               TEXT    NOT NULL,  -- '' where the key belongs to no team; likewise the project
    project_id            TEXT    NOT NULL,
    environment           INTEGER NOT NULL,  -- 0 live, 1 test
    at                    INTEGER NOT NULL,  -- when the request was admitted; decides hour and period
    provider              TEXT    NOT NULL,
    dialect               TEXT    NOT NULL,
    operation             TEXT    NOT NULL,
    request_model         TEXT,
    response_model        TEXT,
    model                 TEXT    NOT NULL,  -- the response's, else the request's, else ''
    usage                 TEXT    NOT NULL,  -- exactly what was counted: Input=12,CacheRead=3; the columns below are its totals
    input_tokens          INTEGER NOT NULL,  -- all input, cache reads and writes included
    cache_read_tokens     INTEGER NOT NULL,
    cache_write_tokens    INTEGER NOT NULL,  -- all lifetimes
    cache_write_1h_tokens INTEGER NOT NULL,
    output_tokens         INTEGER NOT NULL,  -- all output, reasoning included
    reasoning_tokens      INTEGER NOT NULL,
    usage_source          TEXT    NOT NULL,
    pricing_hints         TEXT    NOT NULL,
    cost_nano             INTEGER,           -- null: unknown, never zero
    price_status          TEXT    NOT NULL,
    price_version         TEXT    NOT NULL,
    provider_cost_nano    INTEGER,
    status                INTEGER NOT NULL,
    outcome               TEXT    NOT NULL,
    finish_reason         TEXT,
    streamed              INTEGER NOT NULL,
    latency_us            INTEGER NOT NULL,
    first_byte_us         INTEGER,
    request_bytes         INTEGER NOT NULL,
    response_bytes        INTEGER NOT NULL,
    provider_request_id   TEXT,
    tags                  TEXT    NOT NULL,  -- a JSON object
    other_models          TEXT    NOT NULL,  -- what further models used inside the answer: claude-opus-5:Input=12,Output=3;…; part of the cost, in no total
    PRIMARY KEY (request_id, attempt)        -- request ids are ours and unique over all tenants; this is what makes a repeated batch harmless
) STRICT;
CREATE INDEX usage_events_by_time ON usage_events (tenant_id, at, request_id, attempt);

CREATE TRIGGER usage_events_immutable BEFORE UPDATE ON usage_events
BEGIN SELECT RAISE(ABORT, 'usage_events is append-only: what was recorded is never changed'); END;

-- Deleting is retention's alone, and only below the line that it has drawn in store_facts: an event at or after usage_delete_before stays.
-- The rollups of deleted hours stay too.
CREATE TRIGGER usage_events_kept BEFORE DELETE ON usage_events
WHEN old.at >= coalesce((SELECT CAST(value AS INTEGER) FROM store_facts WHERE name = 'usage_delete_before'), 0)
BEGIN SELECT RAISE(ABORT, 'usage_events is append-only: only events older than store_facts.usage_delete_before may be deleted'); END;

-- Sums of the events of an hour (hour: unix microseconds, a multiple of 3,600,000,000), kept in the transaction that inserts them.
-- latency_* and first_byte_* are histograms: the calls that took less than that bound and not less than the one before.
CREATE TABLE usage_hourly (
    tenant_id              TEXT    NOT NULL,
    environment            INTEGER NOT NULL,
    hour                   INTEGER NOT NULL,
    provider               TEXT    NOT NULL,
    model                  TEXT    NOT NULL,
    key_id                 TEXT    NOT NULL,
    project_id             TEXT    NOT NULL,
    team_id                TEXT    NOT NULL,
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
    PRIMARY KEY (tenant_id, environment, hour, provider, model, key_id, project_id, team_id)
) STRICT;

-- The same for each tag that an event carries: an event with three tags counts in three rows, so sums are meaningful for one tag name only.
CREATE TABLE usage_hourly_tags (
    tenant_id              TEXT    NOT NULL,
    environment            INTEGER NOT NULL,
    tag                    TEXT    NOT NULL,
    hour                   INTEGER NOT NULL,
    tag_value              TEXT    NOT NULL,
    provider               TEXT    NOT NULL,
    model                  TEXT    NOT NULL,
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
    PRIMARY KEY (tenant_id, environment, tag, hour, tag_value, provider, model)
) STRICT;

-- What `verify` found, and when: the newest row of a check is its state.
CREATE TABLE invariant_checks (
    id        INTEGER NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL,
    tenant_id TEXT    NOT NULL,  -- '' for all
    check_name TEXT   NOT NULL,
    findings  INTEGER NOT NULL,
    examples  TEXT    NOT NULL
) STRICT;
