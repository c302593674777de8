-- What tenants take from their own customers, who are values of the tag 'customer'. Terms hold from a month on; months before keep theirs.
CREATE TABLE customer_terms (
    tenant_id           TEXT    NOT NULL REFERENCES tenants (id),
    customer            TEXT    NOT NULL,  -- '' for everyone who has no terms of their own
    from_month          INTEGER NOT NULL,  -- 202611
    markup_basis_points INTEGER NOT NULL,  -- hundredths of a per cent
    rates               TEXT    NOT NULL,  -- JSON
    changed_at          INTEGER NOT NULL,
    changed_by          TEXT    NOT NULL,
    PRIMARY KEY (tenant_id, customer, from_month)
) STRICT;
