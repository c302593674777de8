-- Models' names of a tenant's own, and where calls that ask for them go.
CREATE TABLE model_routes (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    id         text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    policy     text COLLATE "C" NOT NULL CHECK (CAST(policy AS json) IS NOT NULL),  -- {"rules":[…]}, as in docs/routing/routes.md
    created_at bigint           NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    changed_at bigint           NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TRIGGER model_routes_change AFTER INSERT OR UPDATE OR DELETE ON model_routes FOR EACH ROW EXECUTE FUNCTION note_change('tenant_id');
