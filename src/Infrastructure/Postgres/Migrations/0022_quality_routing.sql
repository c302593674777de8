-- What quality groups of routes have learned and done: sums, never a word of a request or an answer.

-- Who chose that a call is answered as it is (cache, or "route class reason" of a quality group), and what that saved.
ALTER TABLE usage_events ADD COLUMN routed text COLLATE "C";
ALTER TABLE usage_events ADD COLUMN saved_nano bigint;

-- Of a strong model and a candidate: the sums of all labels. Begun anew when a model's name, version or price changes.
CREATE TABLE routing_sums (
    tenant_id          text COLLATE "C" NOT NULL REFERENCES tenants (id),
    environment        smallint         NOT NULL CHECK (environment IN (0, 1)),
    route_id           text COLLATE "C" NOT NULL,
    strong             text COLLATE "C" NOT NULL,
    candidate          text COLLATE "C" NOT NULL,
    fingerprint        bigint           NOT NULL,
    sums               bytea            NOT NULL,
    strong_answered    text COLLATE "C" NOT NULL,  -- the models as the providers named them; '' before the first label
    candidate_answered text COLLATE "C" NOT NULL,
    changed_at         bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate)
);

-- A class is a keyed hash; this is what may be said of it.
CREATE TABLE routing_classes (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    environment smallint         NOT NULL CHECK (environment IN (0, 1)),
    route_id    text COLLATE "C" NOT NULL,
    class       text COLLATE "C" NOT NULL,  -- sixteen hexadecimal digits
    key_id      text COLLATE "C" NOT NULL,
    tools       bigint           NOT NULL,  -- how many it offers
    format      text COLLATE "C" NOT NULL CHECK (format IN ('text', 'json', 'json_schema')),
    has_system  smallint         NOT NULL CHECK (has_system IN (0, 1)),
    first_seen  bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, class)
);

-- Calls of quality groups by day (UTC, unix microseconds) and reason, kept in the transaction that records them.
CREATE TABLE routing_daily (
    tenant_id   text COLLATE "C" NOT NULL,
    environment smallint         NOT NULL,
    route_id    text COLLATE "C" NOT NULL,
    class       text COLLATE "C" NOT NULL,
    day         bigint           NOT NULL,
    reason      text COLLATE "C" NOT NULL,
    model       text COLLATE "C" NOT NULL,  -- provider/model that was called
    calls       bigint           NOT NULL,
    cost_nano   bigint           NOT NULL,
    saved_nano  bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, class, day, reason, model)
);

-- Labels of requests that went to the strong model although the policy would have routed them: what quality is kept.
CREATE TABLE routing_weeks (
    tenant_id         text COLLATE "C" NOT NULL REFERENCES tenants (id),
    environment       smallint         NOT NULL CHECK (environment IN (0, 1)),
    route_id          text COLLATE "C" NOT NULL,
    strong            text COLLATE "C" NOT NULL,
    candidate         text COLLATE "C" NOT NULL,
    week              bigint           NOT NULL,  -- its Monday, 0:00 UTC
    keep_permille     bigint           NOT NULL,  -- what was promised
    labels            double precision NOT NULL,
    strong_sum        double precision NOT NULL,
    candidate_sum     double precision NOT NULL,
    strong_squares    double precision NOT NULL,
    candidate_squares double precision NOT NULL,
    products          double precision NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate, week, keep_permille)
);

-- What comes for free and can only demote.
CREATE TABLE routing_signals (
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    environment  smallint         NOT NULL CHECK (environment IN (0, 1)),
    route_id     text COLLATE "C" NOT NULL,
    strong       text COLLATE "C" NOT NULL,
    candidate    text COLLATE "C" NOT NULL,
    class        text COLLATE "C" NOT NULL,
    of_candidate smallint         NOT NULL CHECK (of_candidate IN (0, 1)),
    signal       text COLLATE "C" NOT NULL,  -- Calls, or the signal's name
    times        bigint           NOT NULL,
    PRIMARY KEY (tenant_id, environment, route_id, strong, candidate, class, of_candidate, signal)
);

-- What happened to a group: learning begun anew, a class demoted.
CREATE TABLE routing_events (
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id          text COLLATE "C" NOT NULL,
    environment smallint         NOT NULL CHECK (environment IN (0, 1)),
    route_id    text COLLATE "C" NOT NULL,
    candidate   text COLLATE "C" NOT NULL,
    class       text COLLATE "C" NOT NULL,  -- '' where it is about all
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('reset', 'demoted')),
    detail      text COLLATE "C" NOT NULL,
    at          bigint           NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
