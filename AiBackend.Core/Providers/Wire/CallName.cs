using Microsoft.Extensions.AI;

namespace AiBackend.Core.Providers.Wire;

/// <summary>What a call is called in our ledger, told to the provider so that its log and ours can be compared; and who made it.</summary>
/// <remarks>Carried beside the SDKs, which have no common way for a header of one request.</remarks>
internal static class CallName
{
    /// <summary>Of the options of a call.</summary>
    public const string Property = "aibackend.call_id";

    /// <summary>OpenAI writes it into its own log; others pass over it.</summary>
    public const string Header = "X-Client-Request-Id";

    private static readonly AsyncLocal<AdditionalPropertiesDictionary?> Local = new();

    public static string? Current => Local.Value?.GetValueOrDefault(Property) as string;

    /// <summary>Who made the call; null is nobody who cares.</summary>
    public static ICallListener? Caller => Local.Value?.GetValueOrDefault(ICallListener.Key) as ICallListener;

    /// <summary>From here on it is this call that is made.</summary>
    public static void Set(AdditionalPropertiesDictionary? properties) => Local.Value = properties;
}
