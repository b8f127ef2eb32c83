using System.Text.Json;
using System.Text.RegularExpressions;

namespace AiBackend.Web.Shell;

/// <summary>
/// Takes what browsers report that the policy of <see cref="SecurityHeaders"/> refused: somebody's script in a page, or a mistake of ours. Anybody may
/// send it anything, so it is read up to a size, told in words of a closed form, and so many times a minute.
/// </summary>
internal sealed partial class PolicyReports(TimeProvider clock, ILogger<PolicyReports> logger)
{
    /// <summary>Where to; also for those who are not signed in yet.</summary>
    public const string Path = "/csp-reports";

    private const int MostBytes = 16 * 1024;
    private const int MostOfOne = 5;
    private const int MostInWindow = 20;
    private const string Unknown = "something";
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private long? _began;
    private int _told;

    /// <summary>Whatever it is, no browser reads the answer.</summary>
    public async Task TakeAsync(HttpContext context)
    {
        var bytes = new byte[MostBytes];
        var length = await context.Request.Body.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, context.RequestAborted);
        if (length < bytes.Length)
        {
            Tell(bytes.AsMemory(0, length));
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private void Tell(ReadOnlyMemory<byte> sent)
    {
        try
        {
            using var document = JsonDocument.Parse(sent);
            foreach (var body in BodiesOf(document.RootElement).Take(MostOfOne).Where(_ => MayTell()))
            {
                logger.PolicyViolated(
                    Word(body, "effectiveDirective", "effective-directive", "violated-directive"),
                    Origin(Text(body, "blockedURL", "blocked-uri")),
                    Page(Text(body, "documentURL", "document-uri"))
                );
            }
        }
        catch (JsonException)
        {
            // No report.
        }
    }

    /// <summary>Those of the Reporting API come together, those of <c>report-uri</c> one by one.</summary>
    private static IEnumerable<JsonElement> BodiesOf(JsonElement sent) =>
        sent.ValueKind == JsonValueKind.Array
            ? sent.EnumerateArray().Where(each => Text(each, "type") == "csp-violation").Select(each => Member(each, "body"))
            : [Member(sent, "csp-report")];

    private static JsonElement Member(JsonElement from, string name) =>
        from.ValueKind == JsonValueKind.Object && from.TryGetProperty(name, out var value) ? value : default;

    private static string Text(JsonElement from, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (Member(from, name) is { ValueKind: JsonValueKind.String } value)
            {
                return Written(value);
            }
        }

        return "";
    }

    private static string Written(JsonElement text)
    {
        try
        {
            return text.GetString()!;
        }
        catch (InvalidOperationException)
        {
            // Half a character.
            return "";
        }
    }

    private static string Word(JsonElement from, params ReadOnlySpan<string> names) =>
        Text(from, names).Split(' ')[0] is var word && Plain().IsMatch(word) ? word : Unknown;

    /// <summary>What follows the host may be anybody's secret. Scripts in the page itself are called inline and eval.</summary>
    private static string Origin(string address) =>
        Plain().IsMatch(address) ? address
        : Uri.TryCreate(address, UriKind.Absolute, out var uri)
        && uri.GetLeftPart(UriPartial.Authority) is var origin
        && Host().IsMatch(origin)
            ? origin
        : Unknown;

    /// <summary>The kind of page, without whose it is.</summary>
    private static string Page(string address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.AbsolutePath.Split('/') is [_, var first, ..] && Plain().IsMatch(first)
            ? "/" + first
            : "/";

    private bool MayTell()
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            if (_began is not { } began || clock.GetElapsedTime(began, now) >= Window)
            {
                (_began, _told) = (now, 0);
            }

            return _told++ < MostInWindow;
        }
    }

    [GeneratedRegex("^[A-Za-z-]{1,40}\\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Plain();

    [GeneratedRegex("^[a-z-]{1,40}://[A-Za-z0-9.:\\[\\]-]{0,253}\\z", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Host();
}
