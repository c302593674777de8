-- Whom a tenant wants to be told, and by what.
CREATE TABLE alert_channels (
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    id              TEXT    NOT NULL,
    kind            TEXT    NOT NULL CHECK (kind IN ('email', 'slack', 'teams', 'discord', 'pagerduty', 'webhook')),
    name            TEXT    NOT NULL,
    shown           TEXT    NOT NULL,  -- what may be seen of the address
    address_id      TEXT,              -- the address, sealed, in secrets; null once it is removed
    signing_id      TEXT,              -- what its messages are signed with, sealed; webhooks alone
    signing_old_id  TEXT,              -- what they are signed with as well, until that time
    signing_old_end INTEGER,
    leaves_out      TEXT    NOT NULL,  -- kinds of alerts that it is not told of, joined by commas
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    disabled_at     INTEGER,
    disabled_why    TEXT,
    removed_at      INTEGER,
    PRIMARY KEY (tenant_id, id),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
) STRICT;

-- What people are told. Each cause once.
CREATE TABLE alerts (
    tenant_id       TEXT    NOT NULL REFERENCES tenants (id),
    id              TEXT    NOT NULL,
    cause           TEXT    NOT NULL,  -- what it came from: of the same cause there is one
    kind            TEXT    NOT NULL,
    severity        TEXT    NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    title           TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    path            TEXT    NOT NULL,  -- the portal's page that shows it
    facts           TEXT    NOT NULL,  -- JSON: an array of names and values
    at              INTEGER NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, cause),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
) STRICT;

-- Written with the alert, one for each channel that is told of it.
CREATE TABLE alert_deliveries (
    tenant_id    TEXT    NOT NULL,
    alert_id     TEXT    NOT NULL,
    channel_id   TEXT    NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    next_at      INTEGER,  -- when it is tried; null where nothing more is to be done
    tried_at     INTEGER,
    delivered_at INTEGER,
    failed_at    INTEGER,  -- given up
    answer       TEXT,     -- what the last attempt was answered
    PRIMARY KEY (tenant_id, alert_id, channel_id),
    FOREIGN KEY (tenant_id, alert_id) REFERENCES alerts (tenant_id, id),
    FOREIGN KEY (tenant_id, channel_id) REFERENCES alert_channels (tenant_id, id)
) STRICT;
CREATE INDEX alert_deliveries_due ON alert_deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_deliveries_by_channel ON alert_deliveries (tenant_id, channel_id);
