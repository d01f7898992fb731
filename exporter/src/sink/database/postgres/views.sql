-- The licence position of each product: what there is, who has it, what is left. Numbers are units or users.
CREATE OR REPLACE VIEW sam_position AS
SELECT p.tenant_id, o.display_name AS tenant, p.product_name AS product, p.sku_part_number AS sku, p.sku_id,
    p.kind, p.provisioned, p.assigned, p.available, p.direct, p.by_group, p.in_error,
    p.assigned_blocked AS held_by_disabled_accounts, p.assigned_guests AS held_by_guests,
    p.consumed_units AS counted_by_microsoft, p.residual, p.reconciled
FROM license_position p LEFT JOIN organization o ON o.tenant_id = p.tenant_id;

-- What stands behind the units of a product, and when it ends.
CREATE OR REPLACE VIEW sam_subscription AS
SELECT s.tenant_id, coalesce(p.product_name, s.sku_part_number) AS product, s.sku_part_number AS sku, s.sku_id,
    s.status, s.total_licenses AS units, s.is_trial, s.created_date_time AS since,
    s.next_lifecycle_date_time AS until, s.id AS subscription_id
FROM subscription s LEFT JOIN license_position p ON p.tenant_id = s.tenant_id AND p.key = s.sku_id;

-- Every way in which somebody has a product: directly, or by which group; one that does not work says why.
CREATE OR REPLACE VIEW sam_assignment AS
SELECT a.tenant_id, u.display_name AS "user", u.user_principal_name AS sign_in_name, u.department, u.account_enabled,
    coalesce(p.product_name, a.sku_id) AS product, p.sku_part_number AS sku, a.path AS way,
    coalesce(g.display_name, a.assigned_by_group) AS by_group, a.state, a.error, a.consumes,
    a.last_updated_date_time AS changed, a.disabled_plans, a.user_id, a.sku_id, a.assigned_by_group AS group_id
FROM license_assignment a
LEFT JOIN "user" u ON u.tenant_id = a.tenant_id AND u.key = a.key
LEFT JOIN license_position p ON p.tenant_id = a.tenant_id AND p.key = a.sku_id
LEFT JOIN "group" g ON g.tenant_id = a.tenant_id AND g.key = a.assigned_by_group;

-- Who holds a unit of a product: one row a user and product, however many ways there are.
CREATE OR REPLACE VIEW sam_holder AS
SELECT u.tenant_id, u.display_name AS "user", u.user_principal_name AS sign_in_name, u.account_enabled, u.user_type,
    u.department, u.company_name AS company, u.country, coalesce(p.product_name, a.sku_id) AS product,
    p.sku_part_number AS sku, a.direct, a.groups, u.user_id, a.sku_id
FROM (
    SELECT tenant_id, key, sku_id, bool_or(path = 'direct') AS direct, count(DISTINCT assigned_by_group) AS groups
    FROM license_assignment WHERE consumes GROUP BY tenant_id, key, sku_id
) AS a
JOIN "user" u ON u.tenant_id = a.tenant_id AND u.key = a.key
LEFT JOIN license_position p ON p.tenant_id = a.tenant_id AND p.key = a.sku_id;

-- The last use that each report tells of a user. Reports in which the tenant conceals names tell it of nobody.
CREATE OR REPLACE VIEW sam_usage AS
SELECT r.tenant_id, u.display_name AS "user", u.user_principal_name AS sign_in_name, u.department, r.report,
    r.product_type, r.last_activity_date AS last_used, r.report_refresh_date AS as_of, r.report_period AS days, u.user_id
FROM (
    SELECT 'office_active_user' AS report, tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM office_active_user
    UNION ALL SELECT 'office_activation', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM office_activation
    UNION ALL SELECT 'm365_app_usage', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM m365_app_usage
    UNION ALL SELECT 'teams_activity', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM teams_activity
    UNION ALL SELECT 'email_activity', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM email_activity
    UNION ALL SELECT 'mailbox_usage', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM mailbox_usage
    UNION ALL SELECT 'onedrive_usage', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM onedrive_usage
    UNION ALL SELECT 'onedrive_activity', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM onedrive_activity
    UNION ALL SELECT 'sharepoint_activity', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM sharepoint_activity
    UNION ALL SELECT 'copilot_usage', tenant_id, subject, user_id, concealed, product_type, last_activity_date, report_refresh_date, report_period FROM copilot_usage
) AS r
JOIN "user" u ON u.tenant_id = r.tenant_id AND (u.key = r.user_id OR r.user_id IS NULL AND lower(u.user_principal_name) = r.subject)
WHERE r.concealed IS NOT TRUE;

-- Holders with what is known of their last use: by sign-in, and by the newest report. Absent means unknown, not never.
CREATE OR REPLACE VIEW sam_holder_use AS
SELECT h.tenant_id, h."user", h.sign_in_name, h.account_enabled, h.department, h.product, h.sku,
    s.last_successful_sign_in_date_time AS last_sign_in, r.last_used, h.user_id, h.sku_id
FROM sam_holder h
LEFT JOIN sign_in_activity s ON s.tenant_id = h.tenant_id AND s.key = h.user_id
LEFT JOIN (
    SELECT tenant_id, user_id, max(last_used) AS last_used FROM sam_usage GROUP BY tenant_id, user_id
) AS r ON r.tenant_id = h.tenant_id AND r.user_id = h.user_id;

-- Licences to look at: which rule, who, which product, how many units, and what would disprove it.
CREATE OR REPLACE VIEW sam_finding AS
SELECT f.tenant_id, f.rule, f.product_name AS product, f.sku_part_number AS sku, u.display_name AS "user",
    u.user_principal_name AS sign_in_name, u.department, f.units, f.confidence,
    (SELECT array_agg(coalesce(p.product_name, b.sku_id) ORDER BY b.n)
        FROM unnest(f.beside_sku_ids) WITH ORDINALITY AS b (sku_id, n)
        LEFT JOIN license_position p ON p.tenant_id = f.tenant_id AND p.key = b.sku_id) AS beside,
    f.reasons, f.disproved_by, f.user_id, f.sku_id
FROM finding f
LEFT JOIN "user" u ON u.tenant_id = f.tenant_id AND u.key = f.user_id;
