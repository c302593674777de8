-- Tenants, their people, keys and secrets: the same tables and columns as in SQLite. Times are unix microseconds UTC. Texts compare by their bytes (COLLATE "C"),
-- as the program compares them. The tenant's id comes first in every key, so that the tables can be distributed by tenant.

CREATE TABLE tenants (
    id                  text COLLATE "C" NOT NULL PRIMARY KEY,
    name                text COLLATE "C" NOT NULL,
    plan                text COLLATE "C" NOT NULL CHECK (plan IN ('free', 'pro')),
    time_zone           text COLLATE "C" NOT NULL,
    status              text COLLATE "C" NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at          bigint           NOT NULL,
    -- Null: no limit.
    requests_per_minute bigint,
    tokens_per_minute   bigint,
    concurrent_requests bigint
);

CREATE TABLE members (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    email      text COLLATE "C" NOT NULL CHECK (email = lower(email)),
    role       text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    created_at bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);

CREATE TABLE teams (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    created_at bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE projects (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    team_id    text COLLATE "C",
    name       text COLLATE "C" NOT NULL,
    created_at bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
);

-- hash: HMAC-SHA256 of the key under a pepper that is not in this database.
CREATE TABLE metering_keys (
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id                  text COLLATE "C" NOT NULL,
    name                text COLLATE "C" NOT NULL,
    environment         smallint         NOT NULL CHECK (environment IN (0, 1)),
    lookup_id           text COLLATE "C" NOT NULL UNIQUE,
    hash                bytea            NOT NULL CHECK (octet_length(hash) = 32),
    team_id             text COLLATE "C",
    project_id          text COLLATE "C",
    tags                text COLLATE "C" NOT NULL CHECK (CAST(tags AS json) IS NOT NULL),
    created_at          bigint           NOT NULL,
    created_by          text COLLATE "C" NOT NULL,
    expires_at          bigint,
    revoked_at          bigint,
    revoked_by          text COLLATE "C",
    replaced_by         text COLLATE "C",
    -- Null: no limit.
    requests_per_minute bigint,
    tokens_per_minute   bigint,
    concurrent_requests bigint,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id)
);

CREATE TABLE api_tokens (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    role       text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    lookup_id  text COLLATE "C" NOT NULL UNIQUE,
    hash       bytea            NOT NULL CHECK (octet_length(hash) = 32),
    created_at bigint           NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    revoked_by text COLLATE "C",
    PRIMARY KEY (tenant_id, id)
);

-- Whatever must be read back in the clear. One data key for each row, itself wrapped by the key-encryption key kek_id, which is not in this
-- database. tenant_id, id and purpose are authenticated with both, so that a row moved or renamed can't be opened.
CREATE TABLE secrets (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id          text COLLATE "C" NOT NULL,
    purpose     text COLLATE "C" NOT NULL,
    kek_id      text COLLATE "C" NOT NULL,
    wrapped_key bytea            NOT NULL,
    ciphertext  bytea            NOT NULL,
    created_at  bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX secrets_by_kek ON secrets (kek_id);

CREATE TABLE provider_credentials (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    last4      text COLLATE "C" NOT NULL,
    secret_id  text COLLATE "C",
    created_at bigint           NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    ended_at   bigint,
    ended_by   text COLLATE "C",
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, secret_id) REFERENCES secrets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((ended_at IS NULL) = (secret_id IS NOT NULL))
);
CREATE UNIQUE INDEX provider_credentials_one_active ON provider_credentials (tenant_id, provider) WHERE ended_at IS NULL;

CREATE TABLE custom_endpoints (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name       text COLLATE "C" NOT NULL,
    base_url   text COLLATE "C" NOT NULL,
    surface    text COLLATE "C" NOT NULL,
    created_at bigint           NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- rates: the tenant's own rates for a provider's models, JSON in the form of the price sheets.
CREATE TABLE price_overrides (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    provider   text COLLATE "C" NOT NULL,
    model      text COLLATE "C" NOT NULL,
    rates      text COLLATE "C" NOT NULL CHECK (CAST(rates AS json) IS NOT NULL),
    valid_from bigint           NOT NULL,
    created_at bigint           NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Every version of the prices that ever rated an event, whole, so that any month can be rated again. Installation-wide, not a tenant's.
CREATE TABLE price_versions (
    version       text COLLATE "C" NOT NULL PRIMARY KEY,
    canonical     text COLLATE "C" NOT NULL CHECK (CAST(canonical AS json) IS NOT NULL),
    first_used_at bigint           NOT NULL
);
-- Raises what its argument says.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation'; END $$;

CREATE TRIGGER price_versions_immutable BEFORE UPDATE OR DELETE ON price_versions
    FOR EACH ROW EXECUTE FUNCTION refuse('price_versions is append-only: a version that rated events never changes and is never deleted');
CREATE TRIGGER price_versions_kept BEFORE TRUNCATE ON price_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('price_versions is append-only: a version that rated events never changes and is never deleted');

-- Who did what. hash = SHA-256 over previous_hash and every other column, per tenant from seq 1 on, so that a row changed, taken out or slipped
-- in breaks the chain. Installation-wide acts stand under the tenant id 'system', hence no reference to tenants.
CREATE TABLE audit_log (
    tenant_id     text COLLATE "C" NOT NULL,
    seq           bigint           NOT NULL,
    at            bigint           NOT NULL,
    actor         text COLLATE "C" NOT NULL,
    action        text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,
    result        text COLLATE "C" NOT NULL CHECK (result IN ('done', 'denied')),
    detail        text COLLATE "C" NOT NULL,
    previous_hash bytea            NOT NULL CHECK (octet_length(previous_hash) = 32),
    hash          bytea            NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (tenant_id, seq)
);
CREATE TRIGGER audit_log_immutable BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse('audit_log is append-only');
CREATE TRIGGER audit_log_kept BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse('audit_log is append-only');

-- Which tenants the key directories of all nodes must read again: one row per tenant, seq grows over all of them. Kept by triggers, so
-- that no writer can forget it, an operator with a SQL prompt included.
CREATE TABLE changes (
    tenant_id text COLLATE "C" NOT NULL PRIMARY KEY,
    seq       bigint           NOT NULL
);
CREATE UNIQUE INDEX changes_by_seq ON changes (seq);

-- One writer at a time from the first statement that gives out a number to its commit: a number that is seen means that every lower one is. A sequence
-- would not do, since a higher number may be committed before a lower one. The program takes the same lock when it begins a change.
CREATE FUNCTION one_writer() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(hashtextextended('tokonomics: changes of tenants', 0)) $$;

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE tenant text := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ->> TG_ARGV[0] ELSE to_jsonb(NEW) ->> TG_ARGV[0] END;
BEGIN
    PERFORM one_writer();
    INSERT INTO changes (tenant_id, seq) VALUES (tenant, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq;
    RETURN NULL;
END $$;

CREATE TRIGGER tenants_change AFTER INSERT OR UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION note_change('id');
CREATE TRIGGER metering_keys_change AFTER INSERT OR UPDATE OR DELETE ON metering_keys FOR EACH ROW EXECUTE FUNCTION note_change('tenant_id');
CREATE TRIGGER provider_credentials_change AFTER INSERT OR UPDATE OR DELETE ON provider_credentials FOR EACH ROW EXECUTE FUNCTION note_change('tenant_id');
CREATE TRIGGER custom_endpoints_change AFTER INSERT OR UPDATE OR DELETE ON custom_endpoints FOR EACH ROW EXECUTE FUNCTION note_change('tenant_id');
CREATE TRIGGER price_overrides_change AFTER INSERT OR UPDATE OR DELETE ON price_overrides FOR EACH ROW EXECUTE FUNCTION note_change('tenant_id');

-- Facts about the store itself:
--   pepper_check           a fingerprint that tells a wrong pepper from the right one before the first key is refused because of it
--   usage_delete_before    retention's permission, unix microseconds: usage_events older than this may be deleted (0002)
CREATE TABLE store_facts (
    name  text COLLATE "C" NOT NULL PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);
