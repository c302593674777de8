-- Usage of tenants' own customers, reported to the meters in the tenants' own accounts at Stripe. Times are unix microseconds UTC.
CREATE TABLE stripe_meters (
    tenant_id     text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    secret_id     text COLLATE "C" NOT NULL,             -- the key, sealed
    masked_key    text COLLATE "C" NOT NULL,
    live          boolean          NOT NULL,             -- Stripe's live mode, or its test mode
    event_name    text COLLATE "C" NOT NULL,
    stored_at     bigint           NOT NULL,
    stored_by     text COLLATE "C" NOT NULL,
    from_month    integer          NOT NULL,             -- 202611: nothing before it is reported in this mode
    planned_until bigint          ,
    ran_at        bigint          ,
    busy_until    bigint          ,
    problem       text COLLATE "C" NOT NULL DEFAULT '',
    FOREIGN KEY (tenant_id, secret_id) REFERENCES secrets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
);

-- Values of the tag 'customer', and who they are at Stripe.
CREATE TABLE metered_customers (
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    customer        text COLLATE "C" NOT NULL,
    stripe_customer text COLLATE "C" NOT NULL,
    from_month      integer          NOT NULL,
    connected_at    bigint           NOT NULL,
    connected_by    text COLLATE "C" NOT NULL,
    problem         text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, customer)
);

-- Each written before it is sent; its amount never changes. An hour's later rows are differences.
CREATE TABLE meter_reports (
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    live            boolean          NOT NULL,
    customer        text COLLATE "C" NOT NULL,
    hour            bigint           NOT NULL,
    serial          integer          NOT NULL,
    cents           bigint           NOT NULL CHECK (cents <> 0),
    at              bigint           NOT NULL,             -- when it counts at Stripe
    identifier      text COLLATE "C" NOT NULL UNIQUE,
    state           text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'reported', 'missed', 'unclear')),
    stripe_customer text COLLATE "C",
    event_name      text COLLATE "C",
    planned_at      bigint           NOT NULL,
    unsure_since    bigint          ,                      -- since when Stripe may have it; null where it can't
    done_at         bigint          ,
    tries           integer          NOT NULL DEFAULT 0,
    problem         text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, live, customer, hour, serial)
);
CREATE INDEX meter_reports_waiting ON meter_reports (tenant_id, customer) WHERE state <> 'reported';
