-- What pages about spend keep.

-- The cost of the dearest call of an hour's sums. And how many of the calls were added by a version that keeps this and the table below: where these aren't all
-- (hours from before, a node that still ran an older version), neither is known, and the events say.
ALTER TABLE usage_hourly ADD COLUMN dearest_nano bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly ADD COLUMN counted bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly_tags ADD COLUMN dearest_nano bigint NOT NULL DEFAULT 0;
ALTER TABLE usage_hourly_tags ADD COLUMN counted bigint NOT NULL DEFAULT 0;

-- The sums of an hour's calls that have both of the tags which pages know by name.
CREATE TABLE usage_hourly_pairs (
    tenant_id             text COLLATE "C" NOT NULL,
    environment           smallint         NOT NULL,
    hour                  bigint           NOT NULL,
    customer              text COLLATE "C" NOT NULL,
    feature               text COLLATE "C" NOT NULL,
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
    PRIMARY KEY (tenant_id, environment, hour, customer, feature)
);

-- Which colour of the charts a value of a dimension has: its place in the palette, given when a page first showed it and kept.
CREATE TABLE palette_places (
    tenant_id text COLLATE "C" NOT NULL,
    dimension text COLLATE "C" NOT NULL,  -- as in an address: model, team, customer, tag:stage
    value     text COLLATE "C" NOT NULL,
    place     integer          NOT NULL,
    PRIMARY KEY (tenant_id, dimension, value),
    UNIQUE (tenant_id, dimension, place)
);
