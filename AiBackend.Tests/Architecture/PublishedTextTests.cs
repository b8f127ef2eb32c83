using System.Text.RegularExpressions;
using AiBackend.Core.Tenancy;

namespace AiBackend.Tests.Architecture;

/// <summary>What is committed must work, and mean the same, on every machine.</summary>
public sealed partial class PublishedTextTests
{
    private static readonly string[] Binary = [".png", ".jpg", ".gif", ".ico", ".woff2", ".gguf", ".snk", ".dll"];

    /// <summary>Files from which packages are found; what they fetch must be fetched from public places.</summary>
    private static readonly string[] Fetching = [".csproj", ".props", ".targets", ".config", ".json", ".sh", ".yml", ".yaml", ".npmrc"];

    private static readonly string[] PublicHosts =
    [
        "127.0.0.1",
        "localhost",
        "github.com",
        "dot.net",
        "www.apache.org",
        "api.nuget.org",
        "registry.npmjs.org",
        "json.schemastore.org",
        "schemas.microsoft.com",
        // Nobody's: examples name it.
        "hooks.example.com",
        "opencollective.com",
        "tidelift.com",
        "www.patreon.com",
    ];

    [Fact]
    public async Task No_file_names_a_path_of_one_machine()
    {
        var found = new List<string>();
        foreach (var file in await TextFilesAsync())
        {
            var text = Repository.Read(file);
            found.AddRange(MachinePath().Matches(text).Select(match => $"{file}: {match.Value}"));
            found.AddRange(CheckoutPaths().Where(path => text.Contains(path, StringComparison.Ordinal)).Select(path => $"{file}: {path}"));
        }

        Findings.None("Commit nothing that exists on one machine only.", found);
    }

    [Fact]
    public async Task Nothing_is_fetched_from_a_private_place()
    {
        var files = await TextFilesAsync();

        var hosts = files
            .Where(file => Fetching.Contains(Path.GetExtension(file)))
            .SelectMany(file => Host().Matches(Repository.Read(file)).Select(match => (file, Host: match.Groups["host"].Value)))
            .Where(found => !PublicHosts.Contains(found.Host) && !found.Host.EndsWith(".github.com"));
        Findings.None("Fetch from public places only; feeds belong in the machine's own configuration.", hosts);
    }

    /// <summary>Instructions for models are text like any other, and are told to whoever asks a model for them.</summary>
    [Fact]
    public async Task A_66_nothing_that_is_published_or_told_to_a_model_is_a_key()
    {
        var found = new List<string>();
        foreach (var file in await TextFilesAsync())
        {
            found.AddRange(
                Secret()
                    .Matches(Repository.Read(file))
                    .Select(match => match.Value)
                    // Ours has a checksum: those that are made up for a text are none.
                    .Where(text => !text.StartsWith("aib_", StringComparison.Ordinal) || ApiKey.TryParse(text) is not null)
                    .Select(text => $"{file}: {text[..12]}…")
            );
        }

        Findings.None("Commit no key, and put none into a text for a model.", found);
    }

    private static async Task<IEnumerable<string>> TextFilesAsync() =>
        (await Repository.FilesAsync()).Where(file => !Binary.Contains(Path.GetExtension(file)));

    /// <summary>Where this checkout happens to be, and its siblings.</summary>
    private static IEnumerable<string> CheckoutPaths()
    {
        yield return Repository.Root;
        var parent = Path.GetDirectoryName(Repository.Root)!;
        if (parent.Length > 1)
        {
            yield return $" {parent}/";
            yield return $"\"{parent}/";
            yield return $"({parent}/";
        }
    }

    [GeneratedRegex(@"(?<![\w.])/home/\w+|(?<![\w.])/root/\w+|/Users/[A-Z]\w+|\b[A-Z]:\\Users")]
    private static partial Regex MachinePath();

    [GeneratedRegex(
        ApiKey.Pattern
            + @"|sk-(ant-|proj-)?(?=[A-Za-z0-9_]*[A-Za-z])[A-Za-z0-9_]{32,}|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|xox[bp]-[0-9A-Za-z-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+MII"
    )]
    private static partial Regex Secret();

    [GeneratedRegex(@"https?://(?<host>[A-Za-z0-9.-]+)")]
    private static partial Regex Host();
}
