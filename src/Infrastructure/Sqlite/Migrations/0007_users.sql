-- People who sign in. A user is a member of any number of tenants. Times are unix microseconds UTC.
CREATE TABLE users (
    id                   TEXT    NOT NULL PRIMARY KEY,
    name                 TEXT    NOT NULL,
    user_name            TEXT    NOT NULL,
    normalized_user_name TEXT    NOT NULL UNIQUE,
    email                TEXT    NOT NULL,
    normalized_email     TEXT    NOT NULL UNIQUE,
    email_confirmed      INTEGER NOT NULL,
    password_hash        TEXT,               -- null: signs in by passkey alone
    security_stamp       TEXT    NOT NULL,   -- changes with every credential; ends links that were mailed before
    concurrency_stamp    TEXT    NOT NULL,
    two_factor_enabled   INTEGER NOT NULL,
    lockout_end          INTEGER,
    lockout_enabled      INTEGER NOT NULL,
    access_failed_count  INTEGER NOT NULL,
    totp_step            INTEGER NOT NULL DEFAULT 0, -- the last 30-second step whose code was used: none is taken twice
    created_at           INTEGER NOT NULL
) STRICT;

-- What belongs to a user's credentials: the seed of one-time codes (sealed) and the hashes of recovery codes.
CREATE TABLE user_tokens (
    user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    login_provider TEXT NOT NULL,
    name           TEXT NOT NULL,
    value          TEXT,
    PRIMARY KEY (user_id, login_provider, name)
) STRICT;

CREATE TABLE user_passkeys (
    credential_id BLOB NOT NULL PRIMARY KEY,
    user_id       TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    data          TEXT NOT NULL CHECK (json_valid(data)) -- public key, counter, name; no secret
) STRICT;
CREATE INDEX user_passkeys_by_user ON user_passkeys (user_id);

-- Who is signed in where. The cookie has a random key; here is its SHA-256 alone. A row taken away ends the session at the next request.
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    key_hash   BLOB    NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    user_id    TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tenant_id  TEXT,                          -- the tenant that is shown
    ticket     BLOB    NOT NULL,              -- who signed in and how; protected by the data-protection ring
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    proved_at  INTEGER NOT NULL,              -- when a credential was last presented
    expires_at INTEGER NOT NULL,
    address    TEXT    NOT NULL,
    user_agent TEXT    NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Forms that were sent once: a second press of the button finds its row and does nothing.
CREATE TABLE sent_forms (
    form_id TEXT    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX sent_forms_by_time ON sent_forms (at);

-- The ring that protects cookies, forms and links, shared by all portals. Sealed like `secrets`, whose master key wraps it.
CREATE TABLE data_protection_keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    kek_id      TEXT    NOT NULL,
    wrapped_key BLOB    NOT NULL,
    ciphertext  BLOB    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

ALTER TABLE members ADD COLUMN user_id TEXT REFERENCES users (id);
CREATE INDEX members_by_user ON members (user_id) WHERE user_id IS NOT NULL;
