-- What tenants take from their own customers, who are values of the tag 'customer'. Terms hold from a month on; months before keep theirs.
CREATE TABLE customer_terms (
    tenant_id           text COLLATE "C" NOT NULL REFERENCES tenants (id),
    customer            text COLLATE "C" NOT NULL,  -- '' for everyone who has no terms of their own
    from_month          integer          NOT NULL,  -- 202611
    markup_basis_points integer          NOT NULL,  -- hundredths of a per cent
    rates               text COLLATE "C" NOT NULL,  -- JSON
    changed_at          bigint           NOT NULL,
    changed_by          text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, customer, from_month)
);
