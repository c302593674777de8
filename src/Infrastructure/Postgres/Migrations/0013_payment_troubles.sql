-- Payments of tenants that were disputed or paid back, as they were last found at the payment provider: flags for the operator. Times are unix microseconds UTC.
CREATE TABLE payment_troubles (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id        text COLLATE "C" NOT NULL,             -- a dispute's; of a refund, the payment's
    kind      text COLLATE "C" NOT NULL CHECK (kind IN ('dispute', 'refund')),
    amount    bigint           NOT NULL,             -- in the currency's smallest unit
    currency  text COLLATE "C" NOT NULL,
    status    text COLLATE "C" NOT NULL,
    reason    text COLLATE "C" NOT NULL,
    is_open   boolean          NOT NULL,
    at        bigint           NOT NULL,
    asked_at  bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
