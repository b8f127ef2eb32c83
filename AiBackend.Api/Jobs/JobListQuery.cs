using System.Globalization;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.Jobs;

/// <summary>What the address of a list asks for.</summary>
/// <param name="Filter">What to read.</param>
/// <param name="Marks">The same text for the same filters, whatever the page.</param>
internal sealed record JobListQuery(JobFilter Filter, string Marks)
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;
    private const int MaxFeatureLength = 64;

    private static readonly string[] Names =
    [
        "status",
        "type",
        "feature",
        "created_after",
        "created_before",
        "limit",
        "cursor",
        .. JobOwner.Parameters,
    ];

    /// <returns>Why the query is refused, or null; then <paramref name="query"/> is set.</returns>
    public static Refusal? TryRead(HttpRequest request, out JobListQuery query)
    {
        query = null!;
        if (QueryParameters.CheckNames(request, Names) is { } unknown)
        {
            return unknown;
        }

        if (QueryParameters.TryReadNumber(request, "limit", 1, MaxLimit, DefaultLimit, out var limit) is { } badLimit)
        {
            return badLimit;
        }

        if (TryReadFilter(request, out var filter) is { } badFilter)
        {
            return badFilter;
        }

        var marks = MarksOf(filter);
        if (TryReadCursor(request, marks, out var before) is { } badCursor)
        {
            return badCursor;
        }

        query = new JobListQuery(filter with { Limit = limit, Before = before }, marks);
        return null;
    }

    private static Refusal? TryReadFilter(HttpRequest request, out JobFilter filter)
    {
        filter = null!;
        if (TryReadStatuses(request, out var statuses) is { } badStatus)
        {
            return badStatus;
        }

        if (TryReadType(request, out var type) is { } badType)
        {
            return badType;
        }

        if (QueryParameters.TryReadText(request, "feature", out var feature) is { } badFeature)
        {
            return badFeature;
        }

        if (feature?.AsSpan().IndexOfAnyInRange('\0', '\x1f') >= 0)
        {
            return ProblemTypes.InvalidValue.At("feature", $"feature is {Quoted.Of(feature)}; no feature holds control characters.");
        }

        if (feature?.Length > MaxFeatureLength)
        {
            return ProblemTypes.InvalidValue.At(
                "feature",
                $"feature has {feature.Length} characters; features have at most {MaxFeatureLength}."
            );
        }

        if (QueryParameters.TryReadMoment(request, "created_after", out var after) is { } badAfter)
        {
            return badAfter;
        }

        if (QueryParameters.TryReadMoment(request, "created_before", out var before) is { } badBefore)
        {
            return badBefore;
        }

        filter = new JobFilter
        {
            Statuses = statuses,
            Type = type,
            Feature = feature,
            CreatedAfter = after,
            CreatedBefore = before,
            Limit = 0,
        };
        return null;
    }

    /// <summary>Plain statuses are wanted, those with a minus sign are not; with only the latter, all others are wanted.</summary>
    private static Refusal? TryReadStatuses(HttpRequest request, out IReadOnlyList<JobStatus>? statuses)
    {
        statuses = null;
        var (wanted, unwanted) = (new HashSet<JobStatus>(), new HashSet<JobStatus>());
        foreach (var text in request.Query["status"])
        {
            var name = text ?? "";
            if (!JobStatusNames.TryParse(name.TrimStart('-'), out var status) || name.StartsWith("--", StringComparison.Ordinal))
            {
                return ProblemTypes.InvalidValue.At(
                    "status",
                    $"status is {Quoted.Of(name)}; it must be one of {string.Join(", ", JobStatusNames.All)}, or one of them after a minus sign to leave it out."
                );
            }

            (name.StartsWith('-') ? unwanted : wanted).Add(status);
        }

        if (wanted.Count + unwanted.Count > 0)
        {
            IEnumerable<JobStatus> among = wanted.Count > 0 ? wanted : Enum.GetValues<JobStatus>();
            statuses = [.. among.Except(unwanted).Order()];
        }

        return null;
    }

    private static Refusal? TryReadType(HttpRequest request, out JobType? type)
    {
        type = null;
        if (QueryParameters.TryReadText(request, "type", out var name) is { } repeated)
        {
            return repeated;
        }

        if (name is null)
        {
            return null;
        }

        if (!JobTraitNames.TryParseType(name, out var known))
        {
            return ProblemTypes.UnknownType.At("type", $"type is {Quoted.Of(name)}, which no job here has. Known types: chat.");
        }

        type = known;
        return null;
    }

    private static Refusal? TryReadCursor(HttpRequest request, string marks, out Guid? before)
    {
        before = null;
        if (QueryParameters.TryReadText(request, "cursor", out var text) is { } repeated)
        {
            return repeated;
        }

        if (text is null)
        {
            return null;
        }

        before = JobCursor.Read(text, marks);
        return before is null
            ? ProblemTypes.BadCursor.With(
                $"cursor is {Quoted.Of(text)}, which is not the next_cursor of a page with the same filters. Ask for the first page again, without a cursor."
            )
            : null;
    }

    private static string MarksOf(JobFilter filter) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{(filter.Statuses is { } statuses ? string.Join(',', statuses) : null)}|{filter.Type}|{filter.CreatedAfter:O}|{filter.CreatedBefore:O}|{filter.Feature}"
        );
}
