-- What becomes of a call whose client leaves: broken off at the provider, or read on to its end.
ALTER TABLE tenants ADD COLUMN on_disconnect TEXT NOT NULL DEFAULT 'cancel' CHECK (on_disconnect IN ('cancel', 'readon'));
