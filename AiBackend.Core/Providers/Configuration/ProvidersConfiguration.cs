using Microsoft.Extensions.Configuration;

namespace AiBackend.Core.Providers.Configuration;

/// <summary>Reads the environment variables a user expects into <see cref="ProvidersOptions"/>.</summary>
/// <remarks>
/// <c>AIBACKEND_PROVIDERS__n__…</c> is a list and wins (<c>__DEFAULTS__</c> holds time limits for all); then <c>OPENAI_API_KEY</c>, <c>OPENAI_BASE_URL</c>, <c>OPENAI_MODEL</c>
/// make one provider; with neither, the simulator is the only one, except in Production. A key found in the environment is
/// never added to an explicit list: whoever wrote the list decided where their data goes.
/// </remarks>
internal static class ProvidersConfiguration
{
    private const string List = "AIBACKEND_PROVIDERS";
    public const string OpenAiBaseUrl = "https://api.openai.com/v1";

    /// <summary>Small, cheap, and takes every option we send.</summary>
    private const string OpenAiModel = "gpt-4.1-mini";

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
        else if (OpenAi(configuration, problems) is { } openAi)
        {
            options.Providers = [openAi];
        }
        else if (problems.Count == 0)
        {
            options.Providers = Simulator(configuration, isProduction, problems) is { } simulator ? [simulator] : [];
        }

        options.Problems = problems;
    }

    private static ProviderOptions? OpenAi(IConfiguration configuration, List<string> problems)
    {
        var key = Text(configuration, "OPENAI_API_KEY");
        var address = Text(configuration, "OPENAI_BASE_URL");
        var model = Text(configuration, "OPENAI_MODEL");
        if (key is null && address is null)
        {
            if (model is not null)
            {
                problems.Add(
                    $"OPENAI_MODEL is '{model}', but there is nowhere to ask for it. Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server without keys."
                );
            }

            return null;
        }

        model ??= OpenAiModel;
        return ProviderEntry.BaseUrl("OPENAI_BASE_URL", address ?? OpenAiBaseUrl, problems) is { } baseUrl
            ? new ProviderOptions
            {
                Name = "openai",
                BaseUrl = baseUrl,
                ApiKey = key,
                Model = model,
                Models = [model],
                Timeouts = ProviderEntry.Timeouts(null, configuration, problems),
            }
            : null;
    }

    private static ProviderOptions? Simulator(IConfiguration configuration, bool isProduction, List<string> problems)
    {
        const string Address = "services:simulator:http:0";
        const string Remedy =
            "Set OPENAI_API_KEY (and OPENAI_BASE_URL, OPENAI_MODEL for another server or model), "
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
