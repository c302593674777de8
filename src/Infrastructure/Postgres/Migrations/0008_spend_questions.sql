-- What screens ask about spend. Amounts are whole nano-dollars, times unix microseconds.

-- Calls that the proxy refused: no attempt, so no event. Each run of a proxy keeps its own count of an hour and writes it as it stands, so that writing it
-- twice changes nothing. Exact through an orderly end; a run that is killed takes what it counted in its last seconds with it.
CREATE TABLE refusals_hourly (
    tenant_id   text COLLATE "C" NOT NULL,
    environment smallint         NOT NULL,
    hour        bigint           NOT NULL,
    code        text COLLATE "C" NOT NULL,  -- as in x-tokonomics-error: budget_exhausted
    key_id      text COLLATE "C" NOT NULL,
    run         text COLLATE "C" NOT NULL,
    calls       bigint           NOT NULL CHECK (calls > 0),
    PRIMARY KEY (tenant_id, environment, hour, code, key_id, run)
);

-- What prompt caches saved, by the prices that rated each event: what its cache reads would have cost more as plain input, and what its cache writes cost
-- more than plain input. Kept in the transaction that inserts the events; events from before this table count nowhere in it.
CREATE TABLE cache_savings_hourly (
    tenant_id   text COLLATE "C" NOT NULL,
    environment smallint         NOT NULL,
    hour        bigint           NOT NULL,
    provider    text COLLATE "C" NOT NULL,
    model       text COLLATE "C" NOT NULL,
    key_id      text COLLATE "C" NOT NULL,
    project_id  text COLLATE "C" NOT NULL,
    team_id     text COLLATE "C" NOT NULL,
    saved_nano  bigint           NOT NULL,
    extra_nano  bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, hour, provider, model, key_id, project_id, team_id)
);

-- How many events of a tenant came hours late: whoever remembers the sums of hours that were over asks here whether they still are what they were.
CREATE TABLE usage_late (
    tenant_id text COLLATE "C" NOT NULL PRIMARY KEY,
    events    bigint           NOT NULL
);

-- The most expensive calls: within an hour, by cost.
CREATE INDEX usage_events_by_cost ON usage_events (tenant_id, environment, (at - at % 3600000000), cost_nano);
