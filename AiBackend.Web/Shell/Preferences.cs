namespace AiBackend.Web.Shell;

/// <summary>What the browser told about itself in cookies, so that the first paint is already right.</summary>
/// <param name="Theme"><c>system</c>, <c>light</c> or <c>dark</c>.</param>
/// <param name="TimeZone">IANA name; null before the first visit told it.</param>
internal sealed record Preferences(string Theme, string? TimeZone)
{
    public static Preferences Default { get; } = new("system", null);

    public static Preferences Of(HttpRequest request)
    {
        var theme = request.Cookies["theme"] is "light" or "dark" ? request.Cookies["theme"]! : Default.Theme;
        return new Preferences(theme, request.Cookies["tz"]);
    }
}
