-- Rate limits: null is no limit. A minute is any 60 seconds.
ALTER TABLE metering_keys ADD COLUMN requests_per_minute INTEGER CHECK (requests_per_minute >= 1);
ALTER TABLE metering_keys ADD COLUMN tokens_per_minute INTEGER CHECK (tokens_per_minute >= 1);
ALTER TABLE metering_keys ADD COLUMN concurrent_requests INTEGER CHECK (concurrent_requests >= 1);
ALTER TABLE tenants ADD COLUMN requests_per_minute INTEGER CHECK (requests_per_minute >= 1);
ALTER TABLE tenants ADD COLUMN tokens_per_minute INTEGER CHECK (tokens_per_minute >= 1);
ALTER TABLE tenants ADD COLUMN concurrent_requests INTEGER CHECK (concurrent_requests >= 1);
