-- Which call has which Idempotency-Key. Times are unix microseconds. Of the key and of the request there are keyed hashes alone, 32 bytes each.
CREATE TABLE idempotency_keys (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    key_id     text COLLATE "C" NOT NULL,  -- the metering key
    key_hash   bytea            NOT NULL,
    body_hash  bytea            NOT NULL,
    request_id text COLLATE "C" NOT NULL,  -- the call that has it; its event tells what became of it
    at         bigint           NOT NULL,  -- its admission: the same as on its event
    node       text COLLATE "C" NOT NULL,  -- who runs it, by its journal
    run        text COLLATE "C" NOT NULL,
    expires_at bigint           NOT NULL,
    PRIMARY KEY (tenant_id, key_id, key_hash)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_by_node ON idempotency_keys (node, run);
