-- What tenants manage themselves. Times are unix microseconds UTC.

-- What a key may use: JSON arrays of names, empty for everything. A model may end in *.
ALTER TABLE metering_keys ADD COLUMN allowed_providers text COLLATE "C" NOT NULL DEFAULT '[]' CHECK (CAST(allowed_providers AS json) IS NOT NULL);
ALTER TABLE metering_keys ADD COLUMN allowed_models text COLLATE "C" NOT NULL DEFAULT '[]' CHECK (CAST(allowed_models AS json) IS NOT NULL);
CREATE INDEX metering_keys_by_name ON metering_keys (tenant_id, name, id);

-- An archived team or project stays for the names in reports; nothing new belongs to it.
ALTER TABLE teams ADD COLUMN archived_at bigint;
ALTER TABLE projects ADD COLUMN archived_at bigint;

-- unpriced: what becomes of calls whose model has no price and that no strict budget refuses already.
-- retention_days: null keeps events for ever. earlier_zones: the time zones before time_zone, and until when: [{"zone":"Europe/Berlin","until":1764547200000000}].
-- delete_at: when everything of the tenant is to be deleted; its keys are refused from the request on.
ALTER TABLE tenants ADD COLUMN unpriced text COLLATE "C" NOT NULL DEFAULT 'record' CHECK (unpriced IN ('record', 'refuse'));
ALTER TABLE tenants ADD COLUMN retention_days integer CHECK (retention_days BETWEEN 35 AND 3650);
ALTER TABLE tenants ADD COLUMN earlier_zones text COLLATE "C" NOT NULL DEFAULT '[]' CHECK (CAST(earlier_zones AS json) IS NOT NULL);
ALTER TABLE tenants ADD COLUMN delete_at bigint;

-- What the last try of a credential at its provider said.
ALTER TABLE provider_credentials ADD COLUMN tested_at bigint;
ALTER TABLE provider_credentials ADD COLUMN test_passed boolean;
ALTER TABLE provider_credentials ADD COLUMN test_answer text COLLATE "C";

-- token_hash: HMAC-SHA256 of the invitation's token under the pepper; the token itself is shown and mailed once.
CREATE TABLE invitations (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id           text COLLATE "C" NOT NULL,
    email        text COLLATE "C" NOT NULL CHECK (email = lower(email)),
    role         text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    token_hash   bytea            NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at   bigint           NOT NULL,
    created_by   text COLLATE "C" NOT NULL,
    sent_at      bigint           NOT NULL,
    expires_at   bigint           NOT NULL,
    accepted_at  bigint,
    accepted_by  text COLLATE "C",  -- the member that it made
    withdrawn_at bigint,
    PRIMARY KEY (tenant_id, id),
    CHECK ((accepted_at IS NULL) = (accepted_by IS NULL) AND (accepted_at IS NULL OR withdrawn_at IS NULL))
);
CREATE UNIQUE INDEX invitations_one_open ON invitations (tenant_id, email) WHERE accepted_at IS NULL AND withdrawn_at IS NULL;

-- From where: the address of whoever asked; null in lines from before this column, whose hashes don't have it.
ALTER TABLE audit_log ADD COLUMN remote text COLLATE "C";

-- Tenants whose deletion was carried out: what of them is still there, or arrives late from a journal, may be deleted, their audit log too.
CREATE TABLE tenant_erasures (
    tenant_id text COLLATE "C" NOT NULL PRIMARY KEY,
    at        bigint           NOT NULL
);

DROP TRIGGER audit_log_immutable ON audit_log;
CREATE TRIGGER audit_log_immutable BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse('audit_log is append-only');
CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM tenant_erasures WHERE tenant_id = OLD.tenant_id) THEN
        RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER audit_log_lines_kept BEFORE DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit();

-- Retention's line is one for all (store_facts.usage_delete_before) or the tenant's own (usage_delete_before/<tenant>), whichever is later.
CREATE OR REPLACE FUNCTION keep_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at >= coalesce((SELECT max(CAST(value AS bigint)) FROM store_facts WHERE name IN ('usage_delete_before', 'usage_delete_before/' || OLD.tenant_id)), 0)
        AND NOT EXISTS (SELECT 1 FROM tenant_erasures WHERE tenant_id = OLD.tenant_id) THEN
        RAISE EXCEPTION 'usage_events is append-only: only events older than store_facts.usage_delete_before may be deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;

-- How each proxy is, as it says itself every half minute.
CREATE TABLE proxy_nodes (
    node         text COLLATE "C" NOT NULL PRIMARY KEY,  -- its journal's identity: what stays when it is started again
    run          text COLLATE "C" NOT NULL,
    version      text COLLATE "C" NOT NULL,
    started_at   bigint           NOT NULL,
    seen_at      bigint           NOT NULL,
    open_calls   bigint           NOT NULL,
    waiting      bigint           NOT NULL,              -- events in its journal that are not in the ledger
    writable     smallint         NOT NULL CHECK (writable IN (0, 1))
);
