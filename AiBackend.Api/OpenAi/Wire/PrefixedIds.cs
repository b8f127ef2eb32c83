namespace AiBackend.Api.OpenAi.Wire;

/// <summary>Ids of ours behind a word that says what they name.</summary>
internal static class PrefixedIds
{
    /// <returns>Null when the text is no such name.</returns>
    public static Guid? Parse(string? text, string prefix) =>
        text is not null && text.StartsWith(prefix, StringComparison.Ordinal) && Guid.TryParseExact(text[prefix.Length..], "N", out var id)
            ? id
            : null;
}
