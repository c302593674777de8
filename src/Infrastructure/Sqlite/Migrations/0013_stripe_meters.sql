-- Usage of tenants' own customers, reported to the meters in the tenants' own accounts at Stripe. Times are unix microseconds UTC.
CREATE TABLE stripe_meters (
    tenant_id     TEXT    NOT NULL PRIMARY KEY REFERENCES tenants (id),
    secret_id     TEXT    NOT NULL,             -- the key, sealed
    masked_key    TEXT    NOT NULL,
    live          INTEGER NOT NULL CHECK (live IN (0, 1)),             -- Stripe's live mode, or its test mode
    event_name    TEXT    NOT NULL,
    stored_at     INTEGER NOT NULL,
    stored_by     TEXT    NOT NULL,
    from_month    INTEGER NOT NULL,             -- 202611: nothing before it is reported in this mode
    planned_until INTEGER,
    ran_at        INTEGER,
    busy_until    INTEGER,
    problem       TEXT    NOT NULL DEFAULT '',
    FOREIGN KEY (tenant_id, secret_id) REFERENCES secrets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Values of the tag 'customer', and who they are at Stripe.
CREATE TABLE metered_customers (
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    customer        TEXT    NOT NULL,
    stripe_customer TEXT    NOT NULL,
    from_month      INTEGER NOT NULL,
    connected_at    INTEGER NOT NULL,
    connected_by    TEXT    NOT NULL,
    problem         TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, customer)
) STRICT;

-- Each written before it is sent; its amount never changes. An hour's later rows are differences.
CREATE TABLE meter_reports (
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    live            INTEGER NOT NULL CHECK (live IN (0, 1)),
    customer        TEXT    NOT NULL,
    hour            INTEGER NOT NULL,
    serial          INTEGER NOT NULL,
    cents           INTEGER NOT NULL CHECK (cents <> 0),
    at              INTEGER NOT NULL,             -- when it counts at Stripe
    identifier      TEXT    NOT NULL UNIQUE,
    state           TEXT    NOT NULL CHECK (state IN ('pending', 'reported', 'missed', 'unclear')),
    stripe_customer TEXT   ,
    event_name      TEXT   ,
    planned_at      INTEGER NOT NULL,
    unsure_since    INTEGER,                      -- since when Stripe may have it; null where it can't
    done_at         INTEGER,
    tries           INTEGER NOT NULL DEFAULT 0,
    problem         TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, live, customer, hour, serial)
) STRICT;
CREATE INDEX meter_reports_waiting ON meter_reports (tenant_id, customer) WHERE state <> 'reported';
