-- What quality groups of routes have learned and done: sums, never a word of a request or an answer.

-- Who chose that a call is answered as it is (cache, or "route class reason" of a quality group), and what that saved.
ALTER TABLE usage_events ADD COLUMN routed TEXT;
ALTER TABLE usage_events ADD COLUMN saved_nano INTEGER;

-- Of a strong model and a candidate: the sums of all labels. Begun anew when a model's name, version or price changes.
CREATE TABLE routing_sums (
    tenant_id          TEXT    NOT NULL REFERENCES tenants (id),
    environment        INTEGER NOT NULL CHECK (environment IN (0, 1)),
    route_id           TEXT    NOT NULL,
    strong             TEXT    NOT NULL,
    candidate          TEXT    NOT NULL,
    fingerprint        INTEGER NOT NULL,
    sums               BLOB    NOT NULL,
    strong_answered    TEXT    NOT NULL,  -- the models as the providers named them; '' before the first label
    candidate_answered TEXT    NOT NULL,
    changed_at         INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate)
) STRICT;

-- A class is a keyed hash; this is what may be said of it.
CREATE TABLE routing_classes (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    environment INTEGER NOT NULL CHECK (environment IN (0, 1)),
    route_id    TEXT    NOT NULL,
    class       TEXT    NOT NULL,  -- sixteen hexadecimal digits
    key_id      TEXT    NOT NULL,
    tools       INTEGER NOT NULL,  -- how many it offers
    format      TEXT    NOT NULL CHECK (format IN ('text', 'json', 'json_schema')),
    has_system  INTEGER NOT NULL CHECK (has_system IN (0, 1)),
    first_seen  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, class)
) STRICT;

-- Calls of quality groups by day (UTC, unix microseconds) and reason, kept in the transaction that records them.
CREATE TABLE routing_daily (
    tenant_id   TEXT    NOT NULL,
    environment INTEGER NOT NULL,
    route_id    TEXT    NOT NULL,
    class       TEXT    NOT NULL,
    day         INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    model       TEXT    NOT NULL,  -- provider/model that was called
    calls       INTEGER NOT NULL,
    cost_nano   INTEGER NOT NULL,
    saved_nano  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, class, day, reason, model)
) STRICT, WITHOUT ROWID;

-- Labels of requests that went to the strong model although the policy would have routed them: what quality is kept.
CREATE TABLE routing_weeks (
    tenant_id         TEXT    NOT NULL REFERENCES tenants (id),
    environment       INTEGER NOT NULL CHECK (environment IN (0, 1)),
    route_id          TEXT    NOT NULL,
    strong            TEXT    NOT NULL,
    candidate         TEXT    NOT NULL,
    week              INTEGER NOT NULL,  -- its Monday, 0:00 UTC
    keep_permille     INTEGER NOT NULL,  -- what was promised
    labels            REAL    NOT NULL,
    strong_sum        REAL    NOT NULL,
    candidate_sum     REAL    NOT NULL,
    strong_squares    REAL    NOT NULL,
    candidate_squares REAL    NOT NULL,
    products          REAL    NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate, week, keep_permille)
) STRICT, WITHOUT ROWID;

-- What comes for free and can only demote.
CREATE TABLE routing_signals (
    tenant_id    TEXT    NOT NULL REFERENCES tenants (id),
    environment  INTEGER NOT NULL CHECK (environment IN (0, 1)),
    route_id     TEXT    NOT NULL,
    strong       TEXT    NOT NULL,
    candidate    TEXT    NOT NULL,
    class        TEXT    NOT NULL,
    of_candidate INTEGER NOT NULL CHECK (of_candidate IN (0, 1)),
    signal       TEXT    NOT NULL,  -- Calls, or the signal's name
    times        INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate, class, of_candidate, signal)
) STRICT, WITHOUT ROWID;

-- What happened to a group: learning begun anew, a class demoted.
CREATE TABLE routing_events (
    tenant_id   TEXT    NOT NULL REFERENCES tenants (id),
    id          TEXT    NOT NULL,
    environment INTEGER NOT NULL CHECK (environment IN (0, 1)),
    route_id    TEXT    NOT NULL,
    candidate   TEXT    NOT NULL,
    class       TEXT    NOT NULL,  -- '' where it is about all
    kind        TEXT    NOT NULL CHECK (kind IN ('reset', 'demoted')),
    detail      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;
