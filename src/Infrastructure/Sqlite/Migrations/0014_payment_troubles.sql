-- Payments of tenants that were disputed or paid back, as they were last found at the payment provider: flags for the operator. Times are unix microseconds UTC.
CREATE TABLE payment_troubles (
    tenant_id TEXT    NOT NULL REFERENCES tenants (id),
    id        TEXT    NOT NULL,             -- a dispute's; of a refund, the payment's
    kind      TEXT    NOT NULL CHECK (kind IN ('dispute', 'refund')),
    amount    INTEGER NOT NULL,             -- in the currency's smallest unit
    currency  TEXT    NOT NULL,
    status    TEXT    NOT NULL,
    reason    TEXT    NOT NULL,
    is_open   INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    at        INTEGER NOT NULL,
    asked_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
