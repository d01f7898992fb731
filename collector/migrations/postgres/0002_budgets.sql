-- What is known of the tenant's budgets at Graph: JSON of collector::limit.
ALTER TABLE lease ADD COLUMN budgets TEXT NOT NULL DEFAULT '{}';
