-- Plans and what is known of their payment. Times are unix microseconds UTC. A plan's quota of calls is a row of budgets: scope 'tenant', scope_name
-- 'calls', its amounts in calls.

CREATE TABLE billing_accounts (
    tenant_id           TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    plan                TEXT    NOT NULL,             -- a name of the price list
    plan_since          INTEGER NOT NULL,
    reason              TEXT    NOT NULL,
    ends_at             INTEGER,
    granted_plan        TEXT,
    customer_id         TEXT    UNIQUE,               -- at the payment provider
    customer_serial     INTEGER NOT NULL DEFAULT 0,
    subscription_id     TEXT,
    subscription_status TEXT,
    period_end          INTEGER,
    checkout_id         TEXT,
    checkout_plan       TEXT,
    checkout_serial     INTEGER NOT NULL DEFAULT 0,
    synced_at           INTEGER,
    version             INTEGER NOT NULL DEFAULT 0    -- who read an older one writes nothing
) STRICT;

-- Events of the payment provider, each once; nothing of what they say.
CREATE TABLE payment_events (
    id           TEXT    NOT NULL PRIMARY KEY,
    type         TEXT    NOT NULL,
    object_id    TEXT,
    customer_id  TEXT,
    created_at   INTEGER NOT NULL,
    received_at  INTEGER NOT NULL,
    processed_at INTEGER,
    tries        INTEGER NOT NULL DEFAULT 0,
    next_try_at  INTEGER NOT NULL,
    outcome      TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX payment_events_waiting ON payment_events (next_try_at) WHERE processed_at IS NULL;
