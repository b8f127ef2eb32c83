using System.Net;

namespace AiBackend.Core.Egress;

/// <summary>What came of a request to an address that is not ours.</summary>
public abstract record EgressAnswer
{
    private EgressAnswer() { }

    /// <summary>The other side answered.</summary>
    /// <param name="Status">Its status; a redirect is one like any other.</param>
    /// <param name="RetryAfter">The wait it asked for.</param>
    /// <param name="Body">What it wrote, as far as was wanted.</param>
    public sealed record Answered(HttpStatusCode Status, TimeSpan? RetryAfter, ReadOnlyMemory<byte> Body) : EgressAnswer;

    /// <summary>There is no answer.</summary>
    /// <param name="Error">One of <see cref="EgressErrors"/>: the same for everything that would tell what lies behind an address.</param>
    public sealed record Failed(string Error) : EgressAnswer
    {
        /// <summary>Whether it is certain that the other side has nothing of the request. For decisions, and not for who named the address.</summary>
        public bool NeverArrived { get; init; }
    }
}

/// <summary>Why there is no answer, in a word that may be shown to anybody.</summary>
public static class EgressErrors
{
    /// <summary>The rules forbid the address, or its name has none.</summary>
    public const string Refused = "address_refused";

    /// <summary>No connection, or it broke off before there was an answer.</summary>
    public const string Unreachable = "unreachable";

    /// <summary>Its certificate is not valid for it, or there was no common ground.</summary>
    public const string Tls = "tls";

    /// <summary>It took too long.</summary>
    public const string Timeout = "timeout";

    /// <summary>The answer was longer than wanted.</summary>
    public const string TooLarge = "too_large";
}
