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
    public static string None(string job) =>
        $"NOT EXISTS (SELECT FROM controls c WHERE c.mode = 1 AND {Matches($"{job}.pool", $"{job}.tenant_id", $"{job}.model")})";

    /// <summary>The same for jobs of the default pool that are alike, without looking at each of them.</summary>
    /// <param name="tenant">Their tenant's id, qualified: the table has a column of that name too.</param>
    /// <param name="model">The model they ask for.</param>
    public static string NoneOfKind(string tenant, string model) =>
        $"NOT EXISTS (SELECT FROM controls c WHERE c.mode = 1 AND {Matches("'default'", tenant, model)})";

    /// <summary>What does, as <c>kind/name</c>; null when nothing does.</summary>
    /// <param name="job">Alias of its row.</param>
    public static string By(string job) =>
        $"""
            CASE WHEN {job}.status = 1 THEN
                   (SELECT CASE c.kind WHEN 0 THEN 'queue/' WHEN 1 THEN 'tenant/' ELSE 'model/' END || c.name
                      FROM controls c WHERE c.mode = 1 AND {Matches(
                $"{job}.pool",
                $"{job}.tenant_id",
                $"{job}.model"
            )} ORDER BY c.kind LIMIT 1)
               END
            """;

    private static string Matches(string pool, string tenant, string model) =>
        $"((c.kind = 0 AND c.name = {pool}) OR (c.kind = 1 AND c.tenant_id = {tenant}) OR (c.kind = 2 AND c.name = {model}))";
}
