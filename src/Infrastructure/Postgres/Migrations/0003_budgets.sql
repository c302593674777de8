-- Limits on spend. Amounts are whole nano-dollars, times unix microseconds.

CREATE TABLE budgets (
    tenant_id      text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id             text COLLATE "C" NOT NULL,
    scope          text COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'each')),  -- each: every value of a tag, apart
    scope_name     text COLLATE "C" NOT NULL,  -- the tag's name, else ''
    scope_value    text COLLATE "C" NOT NULL,  -- the id or the tag's value, else ''
    environment    smallint         NOT NULL CHECK (environment IN (0, 1)),
    period         text COLLATE "C" NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    limit_nano     bigint           NOT NULL CHECK (limit_nano >= 0),
    action         text COLLATE "C" NOT NULL CHECK (action IN ('block', 'downgrade', 'alert')),
    downgrade_to   text COLLATE "C" CHECK ((downgrade_to IS NOT NULL) = (action = 'downgrade')),
    mode           text COLLATE "C" NOT NULL CHECK (mode IN ('strict', 'expected')),
    clamp          boolean          NOT NULL,
    wait_ms        integer          NOT NULL CHECK (wait_ms BETWEEN 0 AND 60000),
    fail_open      boolean          NOT NULL,
    increase_nano  bigint           NOT NULL CHECK (increase_nano >= 0),
    increase_until bigint,
    thresholds     text COLLATE "C" NOT NULL,  -- percents, joined by commas
    created_at     bigint           NOT NULL,
    created_by     text COLLATE "C" NOT NULL,
    ended_at       bigint,
    revision       bigint           NOT NULL DEFAULT 0,  -- grows over all budgets with each change: how nodes see which to read again
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX budgets_one_per_scope ON budgets (tenant_id, environment, scope, scope_name, scope_value, period) WHERE ended_at IS NULL;
CREATE INDEX budgets_by_scope ON budgets (tenant_id, environment, scope, scope_name, scope_value);
CREATE INDEX budgets_by_revision ON budgets (revision);
CREATE FUNCTION note_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM one_writer(); -- as in note_change: a number that is seen means that every lower one is
    NEW.revision := (SELECT coalesce(max(revision), 0) + 1 FROM budgets);
    RETURN NEW;
END $$;
CREATE TRIGGER budgets_revision BEFORE INSERT OR UPDATE ON budgets FOR EACH ROW EXECUTE FUNCTION note_revision();

-- The truth: one row for each budget and period, and for each value of a tag where the budget is for each. A new period is a new row.
-- excess_nano is above zero only where a limit was lowered below what was out, or a cost came that no lease covered; nothing is granted then.
CREATE TABLE budget_accounts (
    tenant_id    text COLLATE "C" NOT NULL,
    budget_id    text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,  -- the tag's value where the budget is for each, else ''
    period_start bigint           NOT NULL,
    period_end   bigint           NOT NULL,  -- exclusive
    limit_nano   bigint           NOT NULL,
    posted_nano  bigint           NOT NULL CHECK (posted_nano >= 0),
    leased_nano  bigint           NOT NULL CHECK (leased_nano >= 0),
    excess_nano  bigint           NOT NULL CHECK (excess_nano >= 0),
    epoch        bigint           NOT NULL,
    opened_at    bigint           NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start),
    FOREIGN KEY (tenant_id, budget_id) REFERENCES budgets (tenant_id, id),
    CHECK (posted_nano + leased_nano <= limit_nano + excess_nano)
);

-- What nodes have of leased_nano. The counters only grow: an operation that is sent again reaches the same totals.
CREATE TABLE budget_leases (
    tenant_id     text COLLATE "C" NOT NULL,
    budget_id     text COLLATE "C" NOT NULL,
    subject       text COLLATE "C" NOT NULL,
    period_start  bigint           NOT NULL,
    owner         text COLLATE "C" NOT NULL,  -- node#serial: one run of a node, one of its leases
    node          text COLLATE "C" NOT NULL,
    granted_nano  bigint           NOT NULL,
    returned_nano bigint           NOT NULL,
    consumed_nano bigint           NOT NULL,  -- posted against it
    epoch         bigint           NOT NULL,
    asked_at      bigint           NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start, owner),
    FOREIGN KEY (tenant_id, budget_id, subject, period_start) REFERENCES budget_accounts (tenant_id, budget_id, subject, period_start),
    CHECK (granted_nano - returned_nano - consumed_nano >= 0)
);
CREATE INDEX budget_leases_by_node ON budget_leases (node);

-- Runs of nodes whose leases were taken. What such a run asked before it died, and what arrives after, is granted nothing.
CREATE TABLE budget_nodes_closed (
    node text COLLATE "C" NOT NULL PRIMARY KEY,
    at   bigint           NOT NULL
);

-- Leases taken from nodes that did not come back, counted in posted_nano. What such a node's journal posts later is taken off here.
CREATE TABLE budget_forfeits (
    tenant_id    text COLLATE "C" NOT NULL,
    budget_id    text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    period_start bigint           NOT NULL,
    owner        text COLLATE "C" NOT NULL,
    amount_nano  bigint           NOT NULL CHECK (amount_nano >= 0),
    at           bigint           NOT NULL,
    PRIMARY KEY (tenant_id, budget_id, subject, period_start, owner)
);

-- What people are to be told, each once: written with what caused it, delivered by whoever reads it from here.
CREATE TABLE budget_alerts (
    id           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id    text COLLATE "C" NOT NULL,
    budget_id    text COLLATE "C" NOT NULL,
    subject      text COLLATE "C" NOT NULL,
    period_start bigint           NOT NULL,
    kind         text COLLATE "C" NOT NULL CHECK (kind IN ('threshold', 'overrun')),
    threshold    bigint           NOT NULL,  -- percent; 0 for an overrun
    request      text COLLATE "C" NOT NULL,  -- the attempt that cost more than its upper bound: id/attempt; else ''
    posted_nano  bigint           NOT NULL,
    limit_nano   bigint           NOT NULL,
    at           bigint           NOT NULL,
    delivered_at bigint,
    UNIQUE (tenant_id, budget_id, subject, period_start, kind, threshold, request)
);
CREATE INDEX budget_alerts_undelivered ON budget_alerts (id) WHERE delivered_at IS NULL;
