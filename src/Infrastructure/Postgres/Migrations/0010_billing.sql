-- Plans and what is known of their payment. Times are unix microseconds UTC. A plan's quota of calls is a row of budgets: scope 'tenant', scope_name
-- 'calls', its amounts in calls.

CREATE TABLE billing_accounts (
    tenant_id           text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id),
    plan                text COLLATE "C" NOT NULL,             -- a name of the price list
    plan_since          bigint           NOT NULL,
    reason              text COLLATE "C" NOT NULL,
    ends_at             bigint,
    granted_plan        text COLLATE "C",
    customer_id         text COLLATE "C" UNIQUE,               -- at the payment provider
    customer_serial     integer          NOT NULL DEFAULT 0,
    subscription_id     text COLLATE "C",
    subscription_status text COLLATE "C",
    period_end          bigint,
    checkout_id         text COLLATE "C",
    checkout_plan       text COLLATE "C",
    checkout_serial     integer          NOT NULL DEFAULT 0,
    synced_at           bigint,
    version             bigint           NOT NULL DEFAULT 0    -- who read an older one writes nothing
);

-- Events of the payment provider, each once; nothing of what they say.
CREATE TABLE payment_events (
    id           text COLLATE "C" NOT NULL PRIMARY KEY,
    type         text COLLATE "C" NOT NULL,
    object_id    text COLLATE "C",
    customer_id  text COLLATE "C",
    created_at   bigint           NOT NULL,
    received_at  bigint           NOT NULL,
    processed_at bigint,
    tries        integer          NOT NULL DEFAULT 0,
    next_try_at  bigint           NOT NULL,
    outcome      text COLLATE "C" NOT NULL DEFAULT ''
);
CREATE INDEX payment_events_waiting ON payment_events (next_try_at) WHERE processed_at IS NULL;
