using System.Text;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.Core.Knowledge;

namespace AiBackend.Api.Knowledge;

/// <summary>What a document and a search must look like.</summary>
internal static class KnowledgeRules
{
    private const int MaxSource = 500;
    private const int MaxTitle = 300;
    private const int MaxText = 1 << 20;
    private const int MaxQuery = 2000;
    private const int MaxLimit = 50;
    private const int MaxReaders = 50;
    private const int MaxReader = 100;
    private const double LongestAge = 100 * 365.25 * 86400;

    public static Refusal? Check(KnowledgeRequest request)
    {
        var errors = new FieldErrors();
        CheckNeeded("source", request.Source, MaxSource, errors);
        errors.CheckText("title", request.Title, MaxTitle);
        if (string.IsNullOrWhiteSpace(request.Text))
        {
            errors.Add("text", "is missing or empty; send the text.");
        }
        else if (Encoding.UTF8.GetByteCount(request.Text) > MaxText)
        {
            errors.Add("text", FormattableString.Invariant($"has more than {MaxText} bytes; send it as several documents."));
        }

        CheckLanguage(request.Language, "language", errors);
        CheckReaders(request.Readers, "readers", errors);
        return errors.ToRefusal();
    }

    public static Refusal? Check(KnowledgeQuery query)
    {
        var errors = new FieldErrors();
        if (query.Collection is not null)
        {
            errors.Add("collection", "is named by the address; leave it out.");
        }

        CheckNeeded("query", query.Query, MaxQuery, errors);
        CheckBounds(query, "", errors);
        return errors.ToRefusal();
    }

    /// <summary>The same for the member <c>retrieve</c> of a job.</summary>
    public static void CheckOfJob(KnowledgeQuery query, FieldErrors errors)
    {
        if (query.Collection is null || !ResourceNames.IsName(query.Collection))
        {
            errors.Add(
                "retrieve.collection",
                $"is {(query.Collection is null ? "missing" : Quoted.Of(query.Collection))}; it must name a collection, in 1 to 64 letters, digits, '.', '_', '-'."
            );
        }

        errors.CheckText("retrieve.query", query.Query, MaxQuery);
        CheckBounds(query, "retrieve.", errors);
    }

    private static void CheckBounds(KnowledgeQuery query, string root, FieldErrors errors)
    {
        errors.CheckRange(root + "limit", query.Limit, 1, MaxLimit);
        errors.CheckRange(root + "max_age_seconds", query.MaxAgeSeconds, 0, LongestAge);
        CheckLanguage(query.Language, root + "language", errors);
        CheckReaders(query.Readers, root + "readers", errors);
    }

    private static void CheckNeeded(string field, string? value, int most, FieldErrors errors)
    {
        if (string.IsNullOrWhiteSpace(value))
        {
            errors.Add(field, "is missing or empty.");
        }

        errors.CheckText(field, value, most);
    }

    private static void CheckLanguage(string? language, string field, FieldErrors errors)
    {
        if (language is not null && !TextLanguages.All.Contains(language, StringComparer.Ordinal))
        {
            errors.Add(field, $"is {Quoted.Of(language)}; it must be one of {string.Join(", ", TextLanguages.All)}.");
        }
    }

    private static void CheckReaders(IReadOnlyList<string>? readers, string field, FieldErrors errors)
    {
        if (readers?.Count > MaxReaders || readers?.Any(reader => reader is not { Length: > 0 and <= MaxReader }) == true)
        {
            errors.Add(field, $"must list at most {MaxReaders} names of 1 to {MaxReader} characters.");
        }
    }
}
