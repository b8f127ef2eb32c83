-- 0025 put every tenant into the operators' organisation, next to what makes operators. Each but theirs gets one of its own, with its id and,
-- where it is free, its slug.
INSERT INTO organisations (id, slug, name)
SELECT t.id, CASE WHEN EXISTS (SELECT 1 FROM organisations o WHERE o.slug = t.slug) THEN 'tenant-' || t.id ELSE t.slug END, coalesce(t.name, t.slug)
  FROM tenants t
 WHERE t.organisation_id = '00000000-0000-7000-8000-000000000001' AND t.id <> '00000000-0000-7000-8000-000000000001';

UPDATE tenants SET organisation_id = id
 WHERE organisation_id = '00000000-0000-7000-8000-000000000001' AND id <> '00000000-0000-7000-8000-000000000001';
