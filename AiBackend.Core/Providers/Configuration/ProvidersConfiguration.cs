using Microsoft.Extensions.Configuration;

namespace AiBackend.Core.Providers.Configuration;

/// <summary>Reads the environment variables a user expects into <see cref="ProvidersOptions"/>.</summary>
/// <remarks>
/// <c>AIBACKEND_PROVIDERS__n__…</c> is a list and wins (<c>__DEFAULTS__</c> holds time limits for all); then <c>OPENAI_API_KEY</c>, <c>OPENAI_BASE_URL</c>, <c>OPENAI_MODEL</c>
/// make one provider, and <c>ANTHROPIC_…</c> another one after it; with neither, the simulator is the only one, except in Production. A key found in the
/// environment is never added to an explicit list: whoever wrote the list decided where their data goes.
/// </remarks>
internal static class ProvidersConfiguration
{
    private const string List = "AIBACKEND_PROVIDERS";

    public static void Read(ProvidersOptions options, IConfiguration configuration, bool isProduction)
    {
        var problems = new List<string>();
        var entries = configuration
            .GetSection(List)
            .GetChildren()
            .Where(section => !section.Key.Equals(ProviderEntry.Defaults, StringComparison.OrdinalIgnoreCase))
            .Select(section => new ProviderEntry(section, configuration, problems))
            .ToList();
        if (entries.Count > 0)
        {
            options.Providers = [.. entries.Select(entry => entry.Read()).OfType<ProviderOptions>()];
            RefuseTwins(options.Providers, problems);
        }
        else
        {
            options.Providers = [.. KnownKind.All.Select(kind => Single(kind, configuration, problems)).OfType<ProviderOptions>()];
            if (options.Providers.Count == 0 && problems.Count == 0)
            {
                options.Providers = Simulator(configuration, isProduction, problems) is { } simulator ? [simulator] : [];
            }
        }

        options.Problems = problems;
    }

    /// <summary>The provider that the variables named after its inventor describe.</summary>
    private static ProviderOptions? Single(KnownKind kind, IConfiguration configuration, List<string> problems)
    {
        var key = Text(configuration, $"{kind.Variables}_API_KEY");
        var address = Text(configuration, $"{kind.Variables}_BASE_URL");
        var model = Text(configuration, $"{kind.Variables}_MODEL");
        if (key is null && address is null)
        {
            if (model is not null)
            {
                problems.Add(
                    $"{kind.Variables}_MODEL is '{model}', but there is nowhere to ask for it. Set {kind.Variables}_API_KEY, or {kind.Variables}_BASE_URL for a server without keys."
                );
            }

            return null;
        }

        model ??= kind.Model;
        return ProviderEntry.BaseUrl($"{kind.Variables}_BASE_URL", address ?? kind.BaseUrl, problems) is { } baseUrl
            ? new ProviderOptions
            {
                Kind = kind.Kind,
                Name = kind.Word,
                BaseUrl = baseUrl,
                ApiKey = key,
                Model = model,
                Models = [model],
                Timeouts = ProviderEntry.Timeouts(null, configuration, problems),
                Limits = ProviderEntry.Limits(null, configuration, problems),
            }
            : null;
    }

    private static ProviderOptions? Simulator(IConfiguration configuration, bool isProduction, List<string> problems)
    {
        const string Address = "services:simulator:http:0";
        const string Remedy =
            "Set OPENAI_API_KEY or ANTHROPIC_API_KEY (and …_BASE_URL, …_MODEL for another server or model), "
            + "or AIBACKEND_PROVIDERS__0__NAME, __BASE_URL, __API_KEY and __MODEL for several providers.";
        if (isProduction)
        {
            problems.Add("No model provider is configured, and Production does not answer with the simulator. " + Remedy);
            return null;
        }

        if (Text(configuration, Address) is not { } address)
        {
            problems.Add("No model provider is configured and there is no simulator (services__simulator__http__0). " + Remedy);
            return null;
        }

        return ProviderEntry.BaseUrl("services__simulator__http__0", address.TrimEnd('/') + "/v1", problems) is { } baseUrl
            ? new ProviderOptions
            {
                Name = "simulator",
                BaseUrl = baseUrl,
                Model = "sim",
                Models = ["sim"],
                Simulated = true,
                Timeouts = ProviderEntry.Timeouts(null, configuration, problems),
                Limits = ProviderEntry.Limits(null, configuration, problems),
            }
            : null;
    }

    private static void RefuseTwins(IReadOnlyList<ProviderOptions> providers, List<string> problems) =>
        problems.AddRange(
            providers
                .GroupBy(provider => provider.Name, StringComparer.OrdinalIgnoreCase)
                .Where(twins => twins.Count() > 1)
                .Select(twins => $"{List} has the name '{twins.Key}' more than once. Give each provider its own name.")
        );

    private static string? Text(IConfiguration configuration, string key) =>
        configuration[key]?.Trim() is { Length: > 0 } text ? text : null;
}
