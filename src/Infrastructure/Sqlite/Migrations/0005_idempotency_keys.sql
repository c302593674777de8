-- Which call has which Idempotency-Key. Times are unix microseconds. Of the key and of the request there are keyed hashes alone, 32 bytes each.
CREATE TABLE idempotency_keys (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    key_id     TEXT    NOT NULL,  -- the metering key
    key_hash   BLOB    NOT NULL,
    body_hash  BLOB    NOT NULL,
    request_id TEXT    NOT NULL,  -- the call that has it; its event tells what became of it
    at         INTEGER NOT NULL,  -- its admission: the same as on its event
    node       TEXT    NOT NULL,  -- who runs it, by its journal
    run        TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, key_id, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
CREATE INDEX idempotency_keys_by_node ON idempotency_keys (node, run);
