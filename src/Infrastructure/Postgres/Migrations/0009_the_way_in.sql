-- Operators of the installation besides those whom Portal:Operators names: the first is whoever claims it.
ALTER TABLE users ADD COLUMN is_operator boolean NOT NULL DEFAULT false;

-- A tenant that was made without a person: its owner is whoever opens the link that the console printed. Of the token there is the SHA-256 alone.
CREATE TABLE tenant_claims (
    tenant_id  text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES tenants (id) ON DELETE CASCADE,
    token_hash bytea  NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at bigint NOT NULL
);
