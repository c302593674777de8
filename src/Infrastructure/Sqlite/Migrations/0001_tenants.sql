-- Tenants, their people, keys and secrets. Times are unix microseconds UTC. The tenant's id comes first in every key, so that the tables
-- can be split by tenant.

CREATE TABLE tenants (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    plan       TEXT    NOT NULL CHECK (plan IN ('free', 'pro')),
    time_zone  TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    email      TEXT    NOT NULL CHECK (email = lower(email)),
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
) STRICT;

CREATE TABLE teams (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE projects (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    team_id    TEXT,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id)
) STRICT;

-- hash: HMAC-SHA256 of the key under a pepper that is not in this database.
CREATE TABLE metering_keys (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    id          TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    environment INTEGER NOT NULL CHECK (environment IN (0, 1)),
    lookup_id   TEXT    NOT NULL UNIQUE,
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    team_id     TEXT,
    project_id  TEXT,
    tags        TEXT    NOT NULL CHECK (json_valid(tags)),
    created_at  INTEGER NOT NULL,
    created_by  TEXT    NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER,
    revoked_by  TEXT,
    replaced_by TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES projects (tenant_id, id)
) STRICT;

CREATE TABLE api_tokens (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'viewer', 'billing')),
    lookup_id  TEXT    NOT NULL UNIQUE,
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT,
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- Whatever must be read back in the clear. One data key for each row, itself wrapped by the key-encryption key kek_id, which is not in this
-- database. tenant_id, id and purpose are authenticated with both, so that a row moved or renamed can't be opened.
CREATE TABLE secrets (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    id          TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    kek_id      TEXT    NOT NULL,
    wrapped_key BLOB    NOT NULL,
    ciphertext  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX secrets_by_kek ON secrets (kek_id);

CREATE TABLE provider_credentials (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    last4      TEXT    NOT NULL,
    secret_id  TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    ended_at   INTEGER,
    ended_by   TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, secret_id) REFERENCES secrets (tenant_id, id) DEFERRABLE INITIALLY DEFERRED,
    CHECK ((ended_at IS NULL) = (secret_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX provider_credentials_one_active ON provider_credentials (tenant_id, provider) WHERE ended_at IS NULL;

CREATE TABLE custom_endpoints (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    name       TEXT    NOT NULL,
    base_url   TEXT    NOT NULL,
    surface    TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;

-- rates: the tenant's own rates for a provider's models, JSON in the form of the price sheets.
CREATE TABLE price_overrides (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    provider   TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    rates      TEXT    NOT NULL CHECK (json_valid(rates)),
    valid_from INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- Every version of the prices that ever rated an event, whole, so that any month can be rated again. Installation-wide, not a tenant's.
CREATE TABLE price_versions (
    version       TEXT    NOT NULL PRIMARY KEY,
    canonical     TEXT    NOT NULL CHECK (json_valid(canonical)),
    first_used_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER price_versions_immutable BEFORE UPDATE ON price_versions
BEGIN SELECT RAISE(ABORT, 'price_versions is append-only: a version that rated events never changes'); END;
CREATE TRIGGER price_versions_kept BEFORE DELETE ON price_versions
BEGIN SELECT RAISE(ABORT, 'price_versions is append-only: a version that rated events is never deleted'); END;

-- Who did what. hash = SHA-256 over previous_hash and every other column, per tenant from seq 1 on, so that a row changed, taken out or slipped
-- in breaks the chain. Installation-wide acts stand under the tenant id 'system', hence no reference to tenants.
CREATE TABLE audit_log (
    tenant_id     TEXT    NOT NULL,
    seq           INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    actor         TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    result        TEXT    NOT NULL CHECK (result IN ('done', 'denied')),
    detail        TEXT    NOT NULL,
    previous_hash BLOB    NOT NULL CHECK (length(previous_hash) = 32),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant_id, seq)
) STRICT;
CREATE TRIGGER audit_log_immutable BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_kept BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;

-- Which tenants the key directories of all nodes must read again: one row per tenant, seq grows over all of them. Kept by triggers, so
-- that no writer can forget it, an operator with a SQL prompt included.
CREATE TABLE changes (
    tenant_id TEXT    NOT NULL PRIMARY KEY,
    seq       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX changes_by_seq ON changes (seq);

CREATE TRIGGER tenants_insert_change AFTER INSERT ON tenants BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER tenants_update_change AFTER UPDATE ON tenants BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER metering_keys_insert_change AFTER INSERT ON metering_keys BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER metering_keys_update_change AFTER UPDATE ON metering_keys BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER metering_keys_delete_change AFTER DELETE ON metering_keys BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (old.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER provider_credentials_insert_change AFTER INSERT ON provider_credentials BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER provider_credentials_update_change AFTER UPDATE ON provider_credentials BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER provider_credentials_delete_change AFTER DELETE ON provider_credentials BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (old.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER custom_endpoints_insert_change AFTER INSERT ON custom_endpoints BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER custom_endpoints_update_change AFTER UPDATE ON custom_endpoints BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER custom_endpoints_delete_change AFTER DELETE ON custom_endpoints BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (old.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER price_overrides_insert_change AFTER INSERT ON price_overrides BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER price_overrides_update_change AFTER UPDATE ON price_overrides BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER price_overrides_delete_change AFTER DELETE ON price_overrides BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (old.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;

-- Facts about the store itself:
--   pepper_check           a fingerprint that tells a wrong pepper from the right one before the first key is refused because of it
--   usage_delete_before    retention's permission, unix microseconds: usage_events older than this may be deleted (0002)
CREATE TABLE store_facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
