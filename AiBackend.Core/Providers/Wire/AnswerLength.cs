namespace AiBackend.Core.Providers.Wire;

/// <summary>Notices a provider that does not stop where it was told to.</summary>
/// <remarks>
/// Tokens cannot be counted from outside, so the verdict needs both: more pieces than tokens allowed, and more text than so
/// many tokens can hold. A provider that keeps its word is never cut.
/// </remarks>
internal sealed class AnswerLength(int? maxTokens)
{
    /// <summary>Far beyond any model's limit, for calls that set none.</summary>
    private const long MaxCharacters = 4 * 1024 * 1024;

    private const int CharactersPerToken = 8;

    /// <summary>Tokens beyond the limit of which nobody makes a case.</summary>
    internal const int Slack = 64;

    private long _pieces;
    private long _characters;

    public bool IsZero => _pieces == 0;

    /// <summary>Counts one more piece of the answer.</summary>
    /// <returns>True when nothing after it should be read.</returns>
    public bool IsExceededBy(string text)
    {
        _pieces++;
        _characters += text.Length;
        return _characters > MaxCharacters
            || (maxTokens is { } most && _pieces > most + Slack && _characters > ((long)most + Slack) * CharactersPerToken);
    }
}
