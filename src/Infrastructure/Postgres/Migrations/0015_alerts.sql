-- Whom a tenant wants to be told, and by what.
CREATE TABLE alert_channels (
    tenant_id       text COLLATE "C"    NOT NULL REFERENCES tenants (id),
    id              text COLLATE "C"    NOT NULL,
    kind            text COLLATE "C"    NOT NULL CHECK (kind IN ('email', 'slack', 'teams', 'discord', 'pagerduty', 'webhook')),
    name            text COLLATE "C"    NOT NULL,
    shown           text COLLATE "C"    NOT NULL,  -- what may be seen of the address
    address_id      text COLLATE "C",              -- the address, sealed, in secrets; null once it is removed
    signing_id      text COLLATE "C",              -- what its messages are signed with, sealed; webhooks alone
    signing_old_id  text COLLATE "C",              -- what they are signed with as well, until that time
    signing_old_end bigint,
    leaves_out      text COLLATE "C"    NOT NULL,  -- kinds of alerts that it is not told of, joined by commas
    created_at      bigint NOT NULL,
    created_by      text COLLATE "C"    NOT NULL,
    disabled_at     bigint,
    disabled_why    text COLLATE "C",
    removed_at      bigint,
    PRIMARY KEY (tenant_id, id),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);

-- What people are told. Each cause once.
CREATE TABLE alerts (
    tenant_id       text COLLATE "C"    NOT NULL REFERENCES tenants (id),
    id              text COLLATE "C"    NOT NULL,
    cause           text COLLATE "C"    NOT NULL,  -- what it came from: of the same cause there is one
    kind            text COLLATE "C"    NOT NULL,
    severity        text COLLATE "C"    NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    title           text COLLATE "C"    NOT NULL,
    text            text COLLATE "C"    NOT NULL,
    path            text COLLATE "C"    NOT NULL,  -- the portal's page that shows it
    facts           text COLLATE "C"    NOT NULL,  -- JSON: an array of names and values
    at              bigint NOT NULL,
    acknowledged_at bigint,
    acknowledged_by text COLLATE "C",
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, cause),
    CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);

-- Written with the alert, one for each channel that is told of it.
CREATE TABLE alert_deliveries (
    tenant_id    text COLLATE "C"    NOT NULL,
    alert_id     text COLLATE "C"    NOT NULL,
    channel_id   text COLLATE "C"    NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    next_at      bigint,  -- when it is tried; null where nothing more is to be done
    tried_at     bigint,
    delivered_at bigint,
    failed_at    bigint,  -- given up
    answer       text COLLATE "C",     -- what the last attempt was answered
    PRIMARY KEY (tenant_id, alert_id, channel_id),
    FOREIGN KEY (tenant_id, alert_id) REFERENCES alerts (tenant_id, id),
    FOREIGN KEY (tenant_id, channel_id) REFERENCES alert_channels (tenant_id, id)
);
CREATE INDEX alert_deliveries_due ON alert_deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX alert_deliveries_by_channel ON alert_deliveries (tenant_id, channel_id);
