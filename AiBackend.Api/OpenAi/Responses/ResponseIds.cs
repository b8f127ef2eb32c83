using AiBackend.Api.OpenAi.Wire;

namespace AiBackend.Api.OpenAi.Responses;

/// <summary>Names of responses and what is in them: a response is a job, so all of them are made of its id.</summary>
internal static class ResponseIds
{
    private const string Prefix = "resp_";

    public static string Of(Guid jobId) => $"{Prefix}{jobId:N}";

    public static string Message(Guid jobId) => $"msg_{jobId:N}";

    public static string Call(Guid jobId, int index) => FormattableString.Invariant($"fc_{jobId:N}_{index}");

    public static string Input(Guid jobId, int index) => FormattableString.Invariant($"item_{jobId:N}_{index}");

    /// <returns>Null when the text is no such name.</returns>
    public static Guid? JobOf(string? id) => PrefixedIds.Parse(id, Prefix);
}
