using System.Globalization;
using AiBackend.Api.Problems;
using AiBackend.Api.Tenancy;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Money;
using AiBackend.Core.Money;

namespace AiBackend.Api.Money;

/// <summary><c>GET /api/v1/usage</c>: what calls used and cost.</summary>
internal sealed class GetUsage(UsageReads usage, TenantOf owner, TimeProvider clock)
{
    private const int DefaultDays = 30;

    private static readonly string[] Names = ["group_by", "from", "to", TenantOf.Parameter, .. UsageQuery.Filters];

    public async Task HandleAsync(HttpContext context)
    {
        var (unknown, tenantId) = await owner.ReadAsync(context);
        if ((TryRead(context, tenantId, out var query) ?? unknown) is { } refusal)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        var report = new UsageReport(query.From, query.To, await usage.ReadAsync(query, context.RequestAborted));
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, report, WireJson.Default.UsageReport);
    }

    private Refusal? TryRead(HttpContext context, Guid? tenantId, out UsageQuery query)
    {
        query = null!;
        var request = context.Request;
        IReadOnlySet<string> groups = new HashSet<string>(StringComparer.Ordinal);
        DateOnly? from = null,
            to = null;
        var refusal =
            QueryParameters.CheckNames(request, Names)
            ?? TryReadGroups(request, out groups)
            ?? TryReadDay(request, "to", out to)
            ?? TryReadDay(request, "from", out from);
        var only = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in UsageQuery.Filters)
        {
            refusal ??= QueryParameters.TryReadText(request, name, out var value);
            if (refusal is null && request.Query.TryGetValue(name, out var given))
            {
                only[name] = given[0] ?? "";
            }
        }

        if (refusal is not null)
        {
            return refusal;
        }

        var last = to ?? DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
        var first = from ?? (last.DayNumber >= DefaultDays ? last.AddDays(1 - DefaultDays) : DateOnly.MinValue);
        if (first > last)
        {
            return ProblemTypes.InvalidValue.At("from", $"from is {first:O}, which is after to ({last:O}).");
        }

        query = new UsageQuery
        {
            TenantId = tenantId,
            From = first,
            To = last,
            GroupBy = groups,
            Only = only,
        };
        return null;
    }

    private static Refusal? TryReadGroups(HttpRequest request, out IReadOnlySet<string> groups)
    {
        groups = new HashSet<string>(StringComparer.Ordinal) { "day" };
        var repeated = QueryParameters.TryReadText(request, "group_by", out var text);
        if (repeated is not null || text is null)
        {
            return repeated;
        }

        groups = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);
        var unknown = groups.FirstOrDefault(group => !UsageQuery.Groups.Contains(group, StringComparer.Ordinal));
        return unknown is null && groups.Count > 0
            ? null
            : ProblemTypes.InvalidValue.At(
                "group_by",
                $"group_by is {Quoted.Of(text)}; it may name {string.Join(", ", UsageQuery.Groups)}, with commas."
            );
    }

    private static Refusal? TryReadDay(HttpRequest request, string name, out DateOnly? day)
    {
        day = null;
        if (QueryParameters.TryReadText(request, name, out var text) is { } repeated)
        {
            return repeated;
        }

        if (text is null)
        {
            return null;
        }

        if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var parsed))
        {
            day = parsed;
            return null;
        }

        return ProblemTypes.InvalidValue.At(name, $"{name} is {Quoted.Of(text)}; it must be a day such as 2030-01-31.");
    }
}
