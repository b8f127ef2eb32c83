namespace AiBackend.Web.Account;

/// <summary>Where to go after signing in: a page of this site, whatever the address says.</summary>
internal static class LocalAddress
{
    public const string Home = "/ask";

    public static string Of(string? address) =>
        // "//", "/\" and their kind are other hosts to a browser, which also drops control characters before it looks.
        address is { Length: > 0 } given
        && given[0] == '/'
        && !given.StartsWith("//", StringComparison.Ordinal)
        && !given.Contains('\\', StringComparison.Ordinal)
        && !given.Any(char.IsControl)
        && Uri.IsWellFormedUriString(given, UriKind.Relative)
            ? given
            : Home;
}
