namespace AiBackend.Api.Problems;

/// <summary>One kind of problem: its address, title and status never change, because programs branch on them.</summary>
/// <param name="Slug">Last part of the address, <c>/problems/{slug}</c>; documented in docs/problems.md.</param>
/// <param name="Status">The HTTP status code.</param>
/// <param name="Title">What kind of problem this is, for people.</param>
internal sealed record ProblemType(string Slug, int Status, string Title)
{
    /// <summary>Relative address of the documentation.</summary>
    public string Address { get; } = "/problems/" + Slug;

    /// <summary>The slug as programs like to spell it.</summary>
    public string Code { get; } = Slug.Replace('-', '_');

    /// <summary>This problem, as it happened now.</summary>
    /// <param name="detail">The offending value and the remedy.</param>
    public Refusal With(string detail) => new(this, detail);

    /// <summary>This problem, with one field to blame.</summary>
    public Refusal At(string field, string message) => With(message) with { Errors = new(StringComparer.Ordinal) { [field] = [message] } };
}

/// <summary>Why a request is not done.</summary>
/// <param name="Type">What kind of problem.</param>
/// <param name="Detail">The offending value and the remedy.</param>
internal sealed record Refusal(ProblemType Type, string Detail)
{
    /// <summary>Messages by field path; null when no field is to blame.</summary>
    public Dictionary<string, string[]>? Errors { get; init; }

    /// <summary>When the same request may succeed; null when unknown or never.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the body names an id that the tenant does not have, which counts as such an address does.</summary>
    public bool IsOfUnknownId { get; init; }
}
