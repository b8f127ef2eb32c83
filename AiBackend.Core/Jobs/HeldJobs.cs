namespace AiBackend.Core.Jobs;

/// <summary>Parts of statements about jobs that an operator holds back: by their queue, their tenant or their model. See the table <c>controls</c>.</summary>
/// <remarks>
/// Here and not in Controls, which writes the table, because a claim must not start what was paused a moment ago, whatever its worker
/// has heard. The table is all but empty, so that the look at it costs next to nothing.
/// </remarks>
internal static class HeldJobs
{
    /// <summary>Whether nothing holds the job back.</summary>
    /// <param name="job">Alias of its row.</param>
    public static string None(string job) => $"NOT EXISTS (SELECT FROM controls c WHERE c.mode = 1 AND {Matches(job)})";

    /// <summary>The same for the jobs of a tenant in the default pool, as far as that is known without looking at each of them.</summary>
    /// <param name="tenant">The tenant's id, qualified: the table has a column of that name too.</param>
    public static string NoneOfTenant(string tenant) =>
        $"NOT EXISTS (SELECT FROM controls c WHERE c.mode = 1 AND ((c.kind = 0 AND c.name = 'default') OR (c.kind = 1 AND c.tenant_id = {tenant})))";

    /// <summary>What does, as <c>kind/name</c>; null when nothing does.</summary>
    /// <param name="job">Alias of its row.</param>
    public static string By(string job) =>
        $"""
            CASE WHEN {job}.status = 1 THEN
                   (SELECT CASE c.kind WHEN 0 THEN 'queue/' WHEN 1 THEN 'tenant/' ELSE 'model/' END || c.name
                      FROM controls c WHERE c.mode = 1 AND {Matches(job)} ORDER BY c.kind LIMIT 1)
               END
            """;

    private static string Matches(string job) =>
        $"((c.kind = 0 AND c.name = {job}.pool) OR (c.kind = 1 AND c.tenant_id = {job}.tenant_id) OR (c.kind = 2 AND c.name = {job}.model))";
}
