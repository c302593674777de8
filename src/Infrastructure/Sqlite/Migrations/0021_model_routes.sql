-- Models' names of a tenant's own, and where calls that ask for them go.
CREATE TABLE model_routes (
    tenant_id  TEXT    NOT NULL REFERENCES tenants (id),
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    policy     TEXT    NOT NULL CHECK (json_valid(policy)),  -- {"rules":[…]}, as in docs/routing/routes.md
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TRIGGER model_routes_insert_change AFTER INSERT ON model_routes BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER model_routes_update_change AFTER UPDATE ON model_routes BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (new.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
CREATE TRIGGER model_routes_delete_change AFTER DELETE ON model_routes BEGIN
    INSERT INTO changes (tenant_id, seq) VALUES (old.tenant_id, (SELECT coalesce(max(seq), 0) + 1 FROM changes))
    ON CONFLICT (tenant_id) DO UPDATE SET seq = excluded.seq; END;
