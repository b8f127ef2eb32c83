namespace AiBackend.Core.Providers.Wire;

/// <summary>What a call is called in our ledger, told to the provider so that its log and ours can be compared.</summary>
/// <remarks>Carried beside the SDKs, which have no common way for a header of one request.</remarks>
internal static class CallName
{
    /// <summary>Of the options of a chat call.</summary>
    public const string Property = "aibackend.call_id";

    /// <summary>OpenAI writes it into its own log; others pass over it.</summary>
    public const string Header = "X-Client-Request-Id";

    private static readonly AsyncLocal<string?> Local = new();

    public static string? Current
    {
        get => Local.Value;
        set => Local.Value = value;
    }
}
