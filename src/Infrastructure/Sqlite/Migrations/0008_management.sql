-- What tenants manage themselves. Times are unix microseconds UTC.

-- What a key may use: JSON arrays of names, empty for everything. A model may end in *.
ALTER TABLE metering_keys ADD COLUMN allowed_providers TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(allowed_providers));
ALTER TABLE metering_keys ADD COLUMN allowed_models TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(allowed_models));
CREATE INDEX metering_keys_by_name ON metering_keys (tenant_id, name, id);

-- An archived team or project stays for the names in reports; nothing new belongs to it.
ALTER TABLE teams ADD COLUMN archived_at INTEGER;
ALTER TABLE projects ADD COLUMN archived_at INTEGER;

-- unpriced: what becomes of calls whose model has no price and that no strict budget refuses already.
-- retention_days: null keeps events for ever. earlier_zones: the time zones before time_zone, and until when: [{"zone":"Europe/Berlin","until":1764547200000000}].
-- delete_at: when everything of the tenant is to be deleted; its keys are refused from the request on.
ALTER TABLE tenants ADD COLUMN unpriced TEXT NOT NULL DEFAULT 'record' CHECK (unpriced IN ('record', 'refuse'));
ALTER TABLE tenants ADD COLUMN retention_days INTEGER CHECK (retention_days BETWEEN 35 AND 3650);
ALTER TABLE tenants ADD COLUMN earlier_zones TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(earlier_zones));
ALTER TABLE tenants ADD COLUMN delete_at INTEGER;

-- What the last try of a credential at its provider said.
ALTER TABLE provider_credentials ADD COLUMN tested_at INTEGER;
ALTER TABLE provider_credentials ADD COLUMN test_passed INTEGER CHECK (test_passed IN (0, 1));
ALTER TABLE provider_credentials ADD COLUMN test_answer TEXT;

-- token_hash: HMAC-SHA256 of the invitation's token under the pepper; the token itself is shown and mailed once.
CREATE TABLE invitations (
    tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
    id           TEXT    NOT NULL,
    email        TEXT    NOT NULL CHECK (email = lower(email)),
    role         TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    token_hash   BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    sent_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    accepted_at  INTEGER,
    accepted_by  TEXT,  -- the member that it made
    withdrawn_at INTEGER,
    PRIMARY KEY (tenant_id, id),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL) AND (accepted_at IS NULL OR withdrawn_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX invitations_one_open ON invitations (tenant_id, email) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;

-- From where: the address of whoever asked; null in lines from before this column, whose hashes don't have it.
ALTER TABLE audit_log ADD COLUMN remote TEXT;

-- Tenants whose deletion was carried out: what of them is still there, or arrives late from a journal, may be deleted, their audit log too.
CREATE TABLE tenant_erasures (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    at        INTEGER NOT NULL
) STRICT;

DROP TRIGGER audit_log_kept;
CREATE TRIGGER audit_log_kept BEFORE DELETE ON audit_log WHEN NOT EXISTS (SELECT 1 FROM tenant_erasures WHERE tenant_id = old.tenant_id)
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

-- Retention's line is one for all (store_facts.usage_delete_before) or the tenant's own (usage_delete_before/<tenant>), whichever is later.
DROP TRIGGER usage_events_kept;
CREATE TRIGGER usage_events_kept BEFORE DELETE ON usage_events
WHEN old.at >= coalesce((SELECT max(CAST(value AS INTEGER)) FROM store_facts WHERE name IN ('usage_delete_before', 'usage_delete_before/' || old.tenant_id)), 0)
    AND NOT EXISTS (SELECT 1 FROM tenant_erasures WHERE tenant_id = old.tenant_id)
BEGIN SELECT RAISE(ABORT, 'usage_events is append-only: only events older than store_facts.usage_delete_before may be deleted'); END;

-- How each proxy is, as it says itself every half minute.
CREATE TABLE proxy_nodes (
    node         TEXT    NOT NULL PRIMARY KEY,  -- its journal's identity: what stays when it is started again
    run          TEXT    NOT NULL,
    version      TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    seen_at      INTEGER NOT NULL,
    open_calls   INTEGER NOT NULL,
    waiting      INTEGER NOT NULL,              -- events in its journal that are not in the ledger
    writable     INTEGER NOT NULL CHECK (writable IN (0, 1))
) STRICT;
