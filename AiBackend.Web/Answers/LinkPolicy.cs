namespace AiBackend.Web.Answers;

/// <summary>Which addresses of a model's answer may become links.</summary>
internal static class LinkPolicy
{
    private const int MaxLength = 2048;

    /// <summary>The address in canonical form, or null when it must stay text.</summary>
    /// <remarks>An allow-list: every encoding trick of a forbidden scheme fails here because it does not parse as one of these two.</remarks>
    public static Uri? Allow(string? address)
    {
        if (address is null || address.Length > MaxLength || !Uri.TryCreate(address, UriKind.Absolute, out var uri))
        {
            return null;
        }

        return uri.Scheme switch
        {
            // “https://bank.example@evil.example” shows one host and opens another.
            "https" when uri.UserInfo.Length == 0 && uri.IdnHost.Length > 0 => uri,
            "mailto" => uri,
            _ => null,
        };
    }

    /// <summary>What a reader must see before following it: the host in its ASCII form, or the mail address.</summary>
    public static string Target(Uri uri) =>
        uri.Scheme is "mailto" ? uri.GetComponents(UriComponents.UserInfo | UriComponents.Host, UriFormat.UriEscaped) : uri.IdnHost;
}
