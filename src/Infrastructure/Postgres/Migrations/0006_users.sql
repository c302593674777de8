-- People who sign in. A user is a member of any number of tenants. Times are unix microseconds UTC.
CREATE TABLE users (
    id                   text COLLATE "C" NOT NULL PRIMARY KEY,
    name                 text COLLATE "C" NOT NULL,
    user_name            text COLLATE "C" NOT NULL,
    normalized_user_name text COLLATE "C" NOT NULL UNIQUE,
    email                text COLLATE "C" NOT NULL,
    normalized_email     text COLLATE "C" NOT NULL UNIQUE,
    email_confirmed      boolean NOT NULL,
    password_hash        text COLLATE "C",               -- null: signs in by passkey alone
    security_stamp       text COLLATE "C" NOT NULL,   -- changes with every credential; ends links that were mailed before
    concurrency_stamp    text COLLATE "C" NOT NULL,
    two_factor_enabled   boolean NOT NULL,
    lockout_end          bigint,
    lockout_enabled      boolean NOT NULL,
    access_failed_count  integer NOT NULL,
    totp_step            bigint NOT NULL DEFAULT 0, -- the last 30-second step whose code was used: none is taken twice
    created_at           bigint NOT NULL
);

-- What belongs to a user's credentials: the seed of one-time codes (sealed) and the hashes of recovery codes.
CREATE TABLE user_tokens (
    user_id        text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    login_provider text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    value          text COLLATE "C",
    PRIMARY KEY (user_id, login_provider, name)
);

CREATE TABLE user_passkeys (
    credential_id bytea NOT NULL PRIMARY KEY,
    user_id       text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    data          jsonb NOT NULL -- public key, counter, name; no secret
);
CREATE INDEX user_passkeys_by_user ON user_passkeys (user_id);

-- Who is signed in where. The cookie has a random key; here is its SHA-256 alone. A row taken away ends the session at the next request.
CREATE TABLE sessions (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    key_hash   bytea   NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tenant_id  text COLLATE "C",                          -- the tenant that is shown
    ticket     bytea   NOT NULL,              -- who signed in and how; protected by the data-protection ring
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    proved_at  bigint NOT NULL,              -- when a credential was last presented
    expires_at bigint NOT NULL,
    address    text COLLATE "C" NOT NULL,
    user_agent text COLLATE "C" NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Forms that were sent once: a second press of the button finds its row and does nothing.
CREATE TABLE sent_forms (
    form_id text COLLATE "C" NOT NULL PRIMARY KEY,
    at      bigint NOT NULL
);
CREATE INDEX sent_forms_by_time ON sent_forms (at);

-- The ring that protects cookies, forms and links, shared by all portals. Sealed like `secrets`, whose master key wraps it.
CREATE TABLE data_protection_keys (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    kek_id      text COLLATE "C" NOT NULL,
    wrapped_key bytea   NOT NULL,
    ciphertext  bytea   NOT NULL,
    created_at  bigint NOT NULL
);

ALTER TABLE members ADD COLUMN user_id text COLLATE "C" REFERENCES users (id);
CREATE INDEX members_by_user ON members (user_id) WHERE user_id IS NOT NULL;
