-- What an alert is about, and what lasts: while a condition is open there is one alert of it, and when it ends that is told as well.
ALTER TABLE alerts ADD COLUMN scope       TEXT NOT NULL DEFAULT 'tenant' CHECK (scope IN ('tenant', 'team', 'project', 'key', 'tag', 'provider', 'model'));
ALTER TABLE alerts ADD COLUMN scope_name  TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN scope_value TEXT NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN condition   TEXT;  -- null for what is over as soon as it has happened
ALTER TABLE alerts ADD COLUMN resolved_at INTEGER CHECK (resolved_at IS NULL OR condition IS NOT NULL);
ALTER TABLE alerts ADD COLUMN resolves    TEXT;  -- the alert whose end this tells
CREATE UNIQUE INDEX alerts_open ON alerts (tenant_id, condition) WHERE condition IS NOT NULL AND resolved_at IS NULL;
