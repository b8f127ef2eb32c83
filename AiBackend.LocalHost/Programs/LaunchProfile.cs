using System.Text.Json;

namespace AiBackend.LocalHost.Programs;

/// <summary>The first profile of a project's <c>Properties/launchSettings.json</c> that starts the project itself.</summary>
internal sealed record LaunchProfile(
    string Name,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyList<string> Arguments,
    IReadOnlyList<Uri> HttpUrls
)
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    public static LaunchProfile? Read(string projectPath)
    {
        var path = Path.Combine(Path.GetDirectoryName(projectPath)!, "Properties", "launchSettings.json");
        if (!File.Exists(path))
        {
            return null;
        }

        using var document = JsonDocument.Parse(File.ReadAllText(path), Lenient);
        if (!document.RootElement.TryGetProperty("profiles", out var profiles))
        {
            return null;
        }

        var profile = profiles.EnumerateObject().FirstOrDefault(p => Text(p.Value, "commandName") is null or "Project");
        if (profile.Value.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        var environment = profile.Value.TryGetProperty("environmentVariables", out var variables)
            ? variables.EnumerateObject().ToDictionary(v => v.Name, v => v.Value.GetString() ?? "")
            : [];
        var arguments = Text(profile.Value, "commandLineArgs")?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        var urls = Text(profile.Value, "applicationUrl")?.Split(';', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return new(profile.Name, environment, arguments, [.. urls.Select(u => new Uri(u)).Where(u => u.Scheme == Uri.UriSchemeHttp)]);
    }

    private static string? Text(JsonElement profile, string name) => profile.TryGetProperty(name, out var value) ? value.GetString() : null;
}
