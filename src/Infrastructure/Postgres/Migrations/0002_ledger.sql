-- The ledger. One row of usage_events is one upstream attempt; it never changes. Costs are whole nano-dollars (1e-9 USD), times and durations
-- microseconds. Enumerations are kept by name, so that a row can be read without this program.

-- Partitioned by the month (UTC) of the admission. The key of a partitioned table must have its partition's column in it: at stands in the key for that
-- alone. An event's at is fixed when its call is admitted and travels with it in the journal, so that a batch that is sent again has the same one, and
-- (tenant_id, request_id, attempt, at) makes it as harmless as (request_id, attempt) would. `tokonomics verify` looks for the same attempt under two times.
CREATE TABLE usage_events (
    request_id            text COLLATE "C" NOT NULL,
    attempt               integer          NOT NULL,
    tenant_id             text COLLATE "C" NOT NULL,
    key_id                text COLLATE "C" NOT NULL,
    team_id               text COLLATE "C" NOT NULL,  -- '' where the key belongs to no team; likewise the project
    project_id            text COLLATE "C" NOT NULL,
    environment           smallint         NOT NULL,  -- 0 live, 1 test
    at                    bigint           NOT NULL,  -- when the request was admitted; decides hour and period
    provider              text COLLATE "C" NOT NULL,
    dialect               text COLLATE "C" NOT NULL,
    operation             text COLLATE "C" NOT NULL,
    request_model         text COLLATE "C",
    response_model        text COLLATE "C",
    model                 text COLLATE "C" NOT NULL,  -- the response's, else the request's, else ''
    usage                 text COLLATE "C" NOT NULL,  -- exactly what was counted: Input=12,CacheRead=3; the columns below are its totals
    input_tokens          bigint           NOT NULL,  -- all input, cache reads and writes included
    cache_read_tokens     bigint           NOT NULL,
    cache_write_tokens    bigint           NOT NULL,  -- all lifetimes
    cache_write_1h_tokens bigint           NOT NULL,
    output_tokens         bigint           NOT NULL,  -- all output, reasoning included
    reasoning_tokens      bigint           NOT NULL,
    usage_source          text COLLATE "C" NOT NULL,
    pricing_hints         text COLLATE "C" NOT NULL,
    cost_nano             bigint,           -- null: unknown, never zero
    price_status          text COLLATE "C" NOT NULL,
    price_version         text COLLATE "C" NOT NULL,
    provider_cost_nano    bigint,
    status                integer          NOT NULL,
    outcome               text COLLATE "C" NOT NULL,
    finish_reason         text COLLATE "C",
    streamed              smallint         NOT NULL,
    latency_us            bigint           NOT NULL,
    first_byte_us         bigint,
    request_bytes         bigint           NOT NULL,
    response_bytes        bigint           NOT NULL,
    provider_request_id   text COLLATE "C",
    tags                  text COLLATE "C" NOT NULL,  -- a JSON object
    other_models          text COLLATE "C" NOT NULL,  -- what further models used inside the answer: claude-opus-5:Input=12,Output=3;…; part of the cost, in no total
    upper_bound_nano      bigint,           -- what the event was held for
    budget_nano           bigint,           -- what budgets count for it where that isn't its cost: the upper bound of an abandoned call
    PRIMARY KEY (tenant_id, request_id, attempt, at)
) PARTITION BY RANGE (at);

CREATE INDEX usage_events_by_time ON usage_events (tenant_id, at, request_id, attempt);
CREATE INDEX usage_events_counted_otherwise ON usage_events (tenant_id, at) WHERE budget_nano IS NOT NULL;

-- What no month's partition takes stays here, so that nothing is ever lost for want of one.
CREATE TABLE usage_events_default PARTITION OF usage_events DEFAULT;

CREATE TRIGGER usage_events_immutable BEFORE UPDATE ON usage_events
    FOR EACH ROW EXECUTE FUNCTION refuse('usage_events is append-only: what was recorded is never changed');
CREATE TRIGGER usage_events_not_emptied BEFORE TRUNCATE ON usage_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('usage_events is append-only: what was recorded is never changed');

-- Deleting is retention's alone, and only below the line that it has drawn in store_facts: an event at or after usage_delete_before stays.
-- The rollups of deleted hours stay too.
CREATE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at >= coalesce((SELECT CAST(value AS bigint) FROM store_facts WHERE name = 'usage_delete_before'), 0) THEN
        RAISE EXCEPTION 'usage_events is append-only: only events older than store_facts.usage_delete_before may be deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER usage_events_kept BEFORE DELETE ON usage_events FOR EACH ROW EXECUTE FUNCTION keep_events();

-- Sums of the events of an hour (hour: unix microseconds, a multiple of 3,600,000,000), kept in the transaction that inserts them.
-- latency_* and first_byte_* are histograms: the calls that took less than that bound and not less than the one before.
CREATE TABLE usage_hourly (
    tenant_id             text COLLATE "C" NOT NULL,
    environment           smallint         NOT NULL,
    hour                  bigint           NOT NULL,
    provider              text COLLATE "C" NOT NULL,
    model                 text COLLATE "C" NOT NULL,
    key_id                text COLLATE "C" NOT NULL,
    project_id            text COLLATE "C" NOT NULL,
    team_id               text COLLATE "C" NOT NULL,
    calls                 bigint           NOT NULL,
    errors                bigint           NOT NULL,
    input_tokens          bigint           NOT NULL,
    cache_read_tokens     bigint           NOT NULL,
    cache_write_tokens    bigint           NOT NULL,
    cache_write_1h_tokens bigint           NOT NULL,
    output_tokens         bigint           NOT NULL,
    reasoning_tokens      bigint           NOT NULL,
    cost_nano             bigint           NOT NULL,
    unpriced              bigint           NOT NULL,
    estimated             bigint           NOT NULL,
    latency_us            bigint           NOT NULL,
    latency_50ms          bigint           NOT NULL,
    latency_100ms         bigint           NOT NULL,
    latency_250ms         bigint           NOT NULL,
    latency_500ms         bigint           NOT NULL,
    latency_1s            bigint           NOT NULL,
    latency_2500ms        bigint           NOT NULL,
    latency_5s            bigint           NOT NULL,
    latency_10s           bigint           NOT NULL,
    latency_30s           bigint           NOT NULL,
    latency_60s           bigint           NOT NULL,
    latency_longer        bigint           NOT NULL,
    first_byte_calls      bigint           NOT NULL,
    first_byte_us         bigint           NOT NULL,
    first_byte_50ms       bigint           NOT NULL,
    first_byte_100ms      bigint           NOT NULL,
    first_byte_250ms      bigint           NOT NULL,
    first_byte_500ms      bigint           NOT NULL,
    first_byte_1s         bigint           NOT NULL,
    first_byte_2500ms     bigint           NOT NULL,
    first_byte_5s         bigint           NOT NULL,
    first_byte_10s        bigint           NOT NULL,
    first_byte_30s        bigint           NOT NULL,
    first_byte_60s        bigint           NOT NULL,
    first_byte_longer     bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, hour, provider, model, key_id, project_id, team_id)
);

-- The same for each tag that an event carries: an event with three tags counts in three rows, so sums are meaningful for one tag name only.
CREATE TABLE usage_hourly_tags (
    tenant_id             text COLLATE "C" NOT NULL,
    environment           smallint         NOT NULL,
    tag                   text COLLATE "C" NOT NULL,
    hour                  bigint           NOT NULL,
    tag_value             text COLLATE "C" NOT NULL,
    provider              text COLLATE "C" NOT NULL,
    model                 text COLLATE "C" NOT NULL,
    calls                 bigint           NOT NULL,
    errors                bigint           NOT NULL,
    input_tokens          bigint           NOT NULL,
    cache_read_tokens     bigint           NOT NULL,
    cache_write_tokens    bigint           NOT NULL,
    cache_write_1h_tokens bigint           NOT NULL,
    output_tokens         bigint           NOT NULL,
    reasoning_tokens      bigint           NOT NULL,
    cost_nano             bigint           NOT NULL,
    unpriced              bigint           NOT NULL,
    estimated             bigint           NOT NULL,
    latency_us            bigint           NOT NULL,
    latency_50ms          bigint           NOT NULL,
    latency_100ms         bigint           NOT NULL,
    latency_250ms         bigint           NOT NULL,
    latency_500ms         bigint           NOT NULL,
    latency_1s            bigint           NOT NULL,
    latency_2500ms        bigint           NOT NULL,
    latency_5s            bigint           NOT NULL,
    latency_10s           bigint           NOT NULL,
    latency_30s           bigint           NOT NULL,
    latency_60s           bigint           NOT NULL,
    latency_longer        bigint           NOT NULL,
    first_byte_calls      bigint           NOT NULL,
    first_byte_us         bigint           NOT NULL,
    first_byte_50ms       bigint           NOT NULL,
    first_byte_100ms      bigint           NOT NULL,
    first_byte_250ms      bigint           NOT NULL,
    first_byte_500ms      bigint           NOT NULL,
    first_byte_1s         bigint           NOT NULL,
    first_byte_2500ms     bigint           NOT NULL,
    first_byte_5s         bigint           NOT NULL,
    first_byte_10s        bigint           NOT NULL,
    first_byte_30s        bigint           NOT NULL,
    first_byte_60s        bigint           NOT NULL,
    first_byte_longer     bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, tag, hour, tag_value, provider, model)
);

-- What `verify` found, and when: the newest row of a check is its state.
CREATE TABLE invariant_checks (
    id         bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         bigint           NOT NULL,
    tenant_id  text COLLATE "C" NOT NULL,  -- '' for all
    check_name text COLLATE "C" NOT NULL,
    findings   bigint           NOT NULL,
    examples   text COLLATE "C" NOT NULL
);
