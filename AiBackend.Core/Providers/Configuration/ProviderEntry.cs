using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace AiBackend.Core.Providers.Configuration;

/// <summary>One entry of <c>AIBACKEND_PROVIDERS</c>; every problem is noted with the variable's full name.</summary>
internal sealed class ProviderEntry(IConfigurationSection section, IConfiguration root, List<string> problems)
{
    /// <summary>In place of a name or number: what holds for every provider, also for one that is not in the list.</summary>
    public const string Defaults = "DEFAULTS";

    private static readonly string[] Known =
    [
        "NAME",
        "BASE_URL",
        "BASEURL",
        "API_KEY",
        "APIKEY",
        "KIND",
        "MODEL",
        "MODELS",
        "SIMULATED",
        "CONTINUITY",
        "CONNECT_TIMEOUT_SECONDS",
        "FIRST_TOKEN_TIMEOUT_SECONDS",
        "IDLE_TIMEOUT_SECONDS",
        "TOTAL_TIMEOUT_SECONDS",
        "REQUESTS_PER_MINUTE",
        "INPUT_TOKENS_PER_MINUTE",
        "OUTPUT_TOKENS_PER_MINUTE",
        "TOKENS_PER_MINUTE",
        "CONCURRENT_CALLS",
    ];

    /// <summary>Reads the entry.</summary>
    /// <returns>Null when it cannot be used.</returns>
    public ProviderOptions? Read()
    {
        foreach (var member in section.GetChildren().Where(member => !Known.Contains(member.Key, StringComparer.OrdinalIgnoreCase)))
        {
            problems.Add($"{Variable(member.Key)} is not known. Known: {string.Join(", ", Known)}.");
        }

        var kind = Kind();
        var name =
            Text("NAME")
            ?? (int.TryParse(section.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? null : section.Key.ToLowerInvariant());
        if (name is null || name.Length > 40 || name.Any(letter => !char.IsAsciiLetterOrDigit(letter) && letter is not ('-' or '_' or '.')))
        {
            problems.Add($"{Variable("NAME")} is '{name}'. Give the provider a name of 1 to 40 letters, digits, '-', '_' or '.'.");
            return null;
        }

        var models = Models();
        if (models.Count == 0)
        {
            problems.Add($"{Variable("MODEL")} is missing. Set it to the model that '{name}' should use.");
        }

        if (kind is null)
        {
            return null;
        }

        var key = Text("API_KEY") ?? Text("APIKEY");
        // A key without an address is for the inventor of the protocol, as in OPENAI_API_KEY alone.
        var address = Text("BASE_URL") ?? Text("BASEURL") ?? (key is null ? null : kind.BaseUrl);
        if (address is null)
        {
            problems.Add(
                $"{Variable("BASE_URL")} is missing. Set it to where the API of '{name}' begins, for example http://localhost:11434/v1; with an API key alone it is {kind.BaseUrl}."
            );
            return null;
        }

        return BaseUrl(Variable("BASE_URL"), address, problems) is { } baseUrl && models.Count > 0
            ? new ProviderOptions
            {
                Kind = kind.Kind,
                Name = name,
                BaseUrl = baseUrl,
                ApiKey = key,
                Model = models[0],
                Models = models,
                Simulated = Flag("SIMULATED"),
                Continuity = Continuity(section, root, problems),
                Timeouts = Timeouts(section, root, problems),
                Limits = Limits(section, root, problems),
            }
            : null;
    }

    /// <summary>An address that requests can be sent to.</summary>
    /// <returns>Null when it is not one; the value is not repeated, because it may contain a password.</returns>
    public static Uri? BaseUrl(string variable, string value, List<string> problems)
    {
        if (
            Uri.TryCreate(value, UriKind.Absolute, out var address)
            && address.Scheme is "http" or "https"
            && address.UserInfo.Length == 0
            && address.Query.Length == 0
            && address.Fragment.Length == 0
        )
        {
            return address;
        }

        problems.Add(
            $"{variable} must be an absolute http or https address without user name, query or fragment, for example https://api.openai.com/v1."
        );
        return null;
    }

    /// <summary>A provider's own limits over those for all (<c>AIBACKEND_PROVIDERS__DEFAULTS__…</c>) over the defaults.</summary>
    public static ProviderTimeouts Timeouts(IConfigurationSection? section, IConfiguration root, List<string> problems)
    {
        var defaults = new ProviderTimeouts();
        var timeouts = new ProviderTimeouts
        {
            Connect = Limit("CONNECT") ?? defaults.Connect,
            FirstToken = Limit("FIRST_TOKEN") ?? defaults.FirstToken,
            Idle = Limit("IDLE") ?? defaults.Idle,
            Total = Limit("TOTAL") ?? defaults.Total,
        };
        return timeouts;

        TimeSpan? Limit(string which)
        {
            var member = $"{which}_TIMEOUT_SECONDS";
            var (variable, text) = Find(section, root, member);
            if (text is null)
            {
                return null;
            }

            if (
                double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0.05 and <= 86_400
            )
            {
                return TimeSpan.FromSeconds(seconds);
            }

            problems.Add($"{variable} is '{text}'. Set it to a number of seconds from 0.05 to 86400.");
            return null;
        }
    }

    /// <summary>What a provider allows, over what is allowed by all (<c>AIBACKEND_PROVIDERS__DEFAULTS__…</c>).</summary>
    public static ProviderLimits Limits(IConfigurationSection? section, IConfiguration root, List<string> problems)
    {
        return new()
        {
            RequestsPerMinute = Limit("REQUESTS_PER_MINUTE"),
            InputTokensPerMinute = Limit("INPUT_TOKENS_PER_MINUTE"),
            OutputTokensPerMinute = Limit("OUTPUT_TOKENS_PER_MINUTE"),
            TokensPerMinute = Limit("TOKENS_PER_MINUTE"),
            ConcurrentCalls = Limit("CONCURRENT_CALLS"),
        };

        long? Limit(string member)
        {
            var (variable, text) = Find(section, root, member);
            if (text is null)
            {
                return null;
            }

            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is > 0 and <= 1_000_000_000)
            {
                return limit;
            }

            problems.Add($"{variable} is '{text}'. Set it to a whole number from 1 to 1000000000, or leave it out for no limit.");
            return null;
        }
    }

    /// <summary>What is done about answers that break off, over what is done for all (<c>AIBACKEND_PROVIDERS__DEFAULTS__…</c>).</summary>
    public static ProviderContinuity Continuity(IConfigurationSection? section, IConfiguration root, List<string> problems)
    {
        var (variable, text) = Find(section, root, "CONTINUITY");
        switch (text?.ToLowerInvariant())
        {
            case null or "restart":
                return ProviderContinuity.Restart;
            case "prefill":
                return ProviderContinuity.Prefill;
            default:
                problems.Add($"{variable} is '{text}'. Set it to restart or prefill.");
                return ProviderContinuity.Restart;
        }
    }

    /// <summary>A provider's own value, or else that for all.</summary>
    private static (string Variable, string? Text) Find(IConfigurationSection? section, IConfiguration root, string member)
    {
        var own = section?[member] is null ? root.GetSection($"AIBACKEND_PROVIDERS:{Defaults}") : section;
        var text = own[member]?.Trim();
        return ($"{own.Path.Replace(":", "__", StringComparison.Ordinal)}__{member}", text is { Length: > 0 } ? text : null);
    }

    private List<string> Models()
    {
        // MODELS is one text with commas or a list of its own.
        var more = Text("MODELS")?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        var listed = section
            .GetSection("MODELS")
            .GetChildren()
            .Select(child => child.Value?.Trim())
            .Where(value => !string.IsNullOrEmpty(value));
        string?[] all = [Text("MODEL"), .. more, .. listed];
        return [.. all.OfType<string>().Distinct(StringComparer.Ordinal)];
    }

    private KnownKind? Kind()
    {
        var text = Text("KIND");
        var kind = text is null
            ? KnownKind.All[0]
            : KnownKind.All.FirstOrDefault(each => each.Word.Equals(text, StringComparison.OrdinalIgnoreCase));
        if (kind is null)
        {
            problems.Add($"{Variable("KIND")} is '{text}'. Set it to {string.Join(" or ", KnownKind.All.Select(each => each.Word))}.");
        }

        return kind;
    }

    private bool Flag(string member)
    {
        var text = Text(member);
        if (text is null || bool.TryParse(text, out var flag))
        {
            return text is not null && bool.Parse(text);
        }

        problems.Add($"{Variable(member)} is '{text}'. Set it to true or false.");
        return flag;
    }

    private string? Text(string member) => section[member]?.Trim() is { Length: > 0 } text ? text : null;

    private string Variable(string member) => $"{section.Path.Replace(":", "__", StringComparison.Ordinal)}__{member}";
}
