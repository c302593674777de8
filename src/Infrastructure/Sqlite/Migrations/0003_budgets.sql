-- Limits on spend. Amounts are whole nano-dollars, times unix microseconds.

-- What an event was held for, and what budgets count for it where that isn't its cost (the upper bound of an abandoned call).
ALTER TABLE usage_events ADD COLUMN upper_bound_nano INTEGER;
ALTER TABLE usage_events ADD COLUMN budget_nano INTEGER;
CREATE INDEX usage_events_counted_otherwise ON usage_events (tenant_id, at) WHERE budget_nano IS NOT NULL;

CREATE TABLE budgets (
    tenant_id      TEXT    NOT NULL REFERENCES tenants (id),
    id             TEXT    NOT NULL,
    scope          TEXT    NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'each')),  -- each: every value of a tag, apart
    scope_name     TEXT    NOT NULL,  -- the tag's name, else ''
    scope_value    TEXT    NOT NULL,  -- the id or the tag's value, else ''
    environment    INTEGER NOT NULL CHECK (environment IN (0, 1)),
    period         TEXT    NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    limit_nano     INTEGER NOT NULL CHECK (limit_nano >= 0),
    action         TEXT    NOT NULL CHECK (action IN ('block', 'downgrade', 'alert')),
    downgrade_to   TEXT    CHECK ((downgrade_to IS NOT NULL) = (action = 'downgrade')),
    mode           TEXT    NOT NULL CHECK (mode IN ('strict', 'expected')),
    clamp          INTEGER NOT NULL CHECK (clamp IN (0, 1)),
    wait_ms        INTEGER NOT NULL CHECK (wait_ms BETWEEN 0 AND 60000),
    fail_open      INTEGER NOT NULL CHECK (fail_open IN (0, 1)),
    increase_nano  INTEGER NOT NULL CHECK (increase_nano >= 0),
    increase_until INTEGER,
    thresholds     TEXT    NOT NULL,  -- percents, joined by commas
    created_at     INTEGER NOT NULL,
    created_by     TEXT    NOT NULL,
    ended_at       INTEGER,
    revision       INTEGER NOT NULL DEFAULT 0,  -- grows over all budgets with each change: how nodes see which to read again
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX budgets_one_per_scope ON budgets (tenant_id, environment, scope, scope_name, scope_value, period) WHERE ended_at IS NULL;
CREATE INDEX budgets_by_scope ON budgets (tenant_id, environment, scope, scope_name, scope_value);
CREATE INDEX budgets_by_revision ON budgets (revision);
CREATE TRIGGER budgets_insert_revision AFTER INSERT ON budgets BEGIN
    UPDATE budgets SET revision = (SELECT max(revision) + 1 FROM budgets) WHERE tenant_id = new.tenant_id AND id = new.id; END;
CREATE TRIGGER budgets_update_revision AFTER UPDATE ON budgets WHEN new.revision = old.revision BEGIN
    UPDATE budgets SET revision = (SELECT max(revision) + 1 FROM budgets) WHERE tenant_id = new.tenant_id AND id = new.id; END;

-- The truth: one row for each budget and period, and for each value of a tag where the budget is for each. A new period is a new row.
-- excess_nano is above zero only where a limit was lowered below what was out, or a cost came that no lease covered; nothing is granted then.
CREATE TABLE budget_accounts (
    tenant_id    TEXT    NOT NULL,
    budget_id    TEXT    NOT NULL,
    subject      TEXT    NOT NULL,  -- the tag's value where the budget is for each, else ''
    period_start INTEGER NOT NULL,
    period_end   INTEGER NOT NULL,  -- exclusive
    limit_nano   INTEGER NOT NULL,
    posted_nano  INTEGER NOT NULL CHECK (posted_nano >= 0),
    leased_nano  INTEGER NOT NULL CHECK (leased_nano >= 0),
    excess_nano  INTEGER NOT NULL CHECK (excess_nano >= 0),
    epoch        INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start),
    FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id),
    CHECK (posted_nano + leased_nano <= limit_nano + excess_nano)
) STRICT;

-- What nodes have of leased_nano. The counters only grow: an operation that is sent again reaches the same totals.
CREATE TABLE budget_leases (
    tenant_id     TEXT    NOT NULL,
    budget_id     TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    period_start  INTEGER NOT NULL,
    owner         TEXT    NOT NULL,  -- node#serial: one run of a node, one of its leases
    node          TEXT    NOT NULL,
    granted_nano  INTEGER NOT NULL,
    returned_nano INTEGER NOT NULL,
    consumed_nano INTEGER NOT NULL,  -- posted against it
    epoch         INTEGER NOT NULL,
    asked_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start, owner),
    FOREIGN KEY (tenant_id, budget_id, subject, period_start) REFERENCES budget_accounts (tenant_id, budget_id, subject, period_start),
    CHECK (granted_nano - returned_nano - consumed_nano >= 0)
) STRICT;
CREATE INDEX budget_leases_by_node ON budget_leases (node);

-- Runs of nodes whose leases were taken. What such a run asked before it died, and what arrives after, is granted nothing.
CREATE TABLE budget_nodes_closed (
    node TEXT    NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;

-- Leases taken from nodes that did not come back, counted in posted_nano. What such a node's journal posts later is taken off here.
CREATE TABLE budget_forfeits (
    tenant_id    TEXT    NOT NULL,
    budget_id    TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    period_start INTEGER NOT NULL,
    owner        TEXT    NOT NULL,
    amount_nano  INTEGER NOT NULL CHECK (amount_nano >= 0),
    at           INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start, owner)
) STRICT;

-- What people are to be told, each once: written with what caused it, delivered by whoever reads it from here.
CREATE TABLE budget_alerts (
    id           INTEGER NOT NULL PRIMARY KEY,
    tenant_id    TEXT    NOT NULL,
    budget_id    TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    period_start INTEGER NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('threshold', 'overrun')),
    threshold    INTEGER NOT NULL,  -- percent; 0 for an overrun
    request      TEXT    NOT NULL,  -- the attempt that cost more than its upper bound: id/attempt; else ''
    posted_nano  INTEGER NOT NULL,
    limit_nano   INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    delivered_at INTEGER,
    UNIQUE (tenant_id, budget_id, subject, period_start, kind, threshold, request)
) STRICT;
CREATE INDEX budget_alerts_undelivered ON budget_alerts (id) WHERE delivered_at IS NULL;
