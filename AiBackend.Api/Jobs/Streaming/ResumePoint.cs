using System.Globalization;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Where a reader of a job's events wants to go on.</summary>
internal static class ResumePoint
{
    private const string Header = "Last-Event-ID";
    private const string Parameter = "after";

    /// <summary>
    /// The header wins over the parameter: a browser that reconnects sends the address it was given first, and in the header
    /// how far it has come since.
    /// </summary>
    /// <returns>Why the number is refused, or null; then <paramref name="after"/> is the last event the reader has, 0 for none.</returns>
    public static Refusal? TryRead(HttpRequest request, out int after)
    {
        after = 0;
        if (QueryParameters.CheckNames(request, Parameter, StreamTicketDoor.Parameter) is { } unknown)
        {
            return unknown;
        }

        var (name, values) = request.Headers[Header] is { Count: > 0 } header ? (Header, header) : (Parameter, request.Query[Parameter]);
        return
            values.Count == 0 || (values.Count == 1 && int.TryParse(values[0], NumberStyles.None, CultureInfo.InvariantCulture, out after))
            ? null
            : ProblemTypes.BadAfter.With(
                $"{name} is {Quoted.Of(values.ToString())}; it must be the id of an event of this job, or 0 to start from the beginning."
            );
    }

    /// <summary>A number that no event of the job has had.</summary>
    public static Refusal Beyond(int after, int lastSeq) =>
        ProblemTypes.BadAfter.With(
            $"The event to resume from is {after}, but the job's latest is {lastSeq}. Start from 0, or from an id that this job sent."
        );
}
