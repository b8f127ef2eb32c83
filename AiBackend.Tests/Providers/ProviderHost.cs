using AiBackend.Core.Providers;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>The providers as a process has them, built from the variables a user would set.</summary>
internal sealed class ProviderHost : IDisposable
{
    public static readonly IReadOnlyList<ChatMessage> Question = [new(ChatRole.User, "Why is the sky blue?")];

    private readonly IHost _host;

    public ProviderHost(params IEnumerable<KeyValuePair<string, string?>> variables)
        : this(Environments.Development, variables) { }

    public ProviderHost(string environment, params IEnumerable<KeyValuePair<string, string?>> variables)
        : this(environment, TimeProvider.System, variables) { }

    /// <summary>With a clock that decides when a call has taken too long.</summary>
    public ProviderHost(TimeProvider clock, IEnumerable<KeyValuePair<string, string?>> variables)
        : this(Environments.Development, clock, variables) { }

    private ProviderHost(string environment, TimeProvider clock, IEnumerable<KeyValuePair<string, string?>> variables)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { EnvironmentName = environment });
        // As the environment would give them: two underscores part the levels.
        builder.Configuration.AddInMemoryCollection(
            variables.Select(each => KeyValuePair.Create(each.Key.Replace("__", ":", StringComparison.Ordinal), each.Value))
        );
        builder.Services.AddSingleton(clock);
        builder.AddProviders();
        _host = builder.Build();
    }

    public IServiceProvider Services => _host.Services;

    public ProviderCatalog Catalog => Services.GetRequiredService<ProviderCatalog>();

    public RoutedChat Chat => Services.GetRequiredService<RoutedChat>();

    /// <summary>One provider per address, all asked for the same model.</summary>
    public static ProviderHost For(string model, params IEnumerable<Uri> addresses) => new(Entries(addresses, _ => model));

    /// <summary>Variables for providers p0, p1, … at these addresses.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> Entries(IEnumerable<Uri> addresses, Func<int, string> model) =>
        addresses.SelectMany(
            (address, index) =>
                new Dictionary<string, string?>
                {
                    [$"AIBACKEND_PROVIDERS__{index}__NAME"] = $"p{index}",
                    [$"AIBACKEND_PROVIDERS__{index}__BASE_URL"] = new Uri(address, "/v1").ToString(),
                    [$"AIBACKEND_PROVIDERS__{index}__API_KEY"] = "sk-secret-of-the-test",
                    [$"AIBACKEND_PROVIDERS__{index}__MODEL"] = model(index),
                }
        );

    /// <summary>One provider p0 of this kind, with further settings of its own.</summary>
    public static ProviderHost OfKind(string kind, Uri address, params IEnumerable<(string Member, string Value)> more) =>
        OfKind(TimeProvider.System, kind, address, more);

    /// <inheritdoc cref="OfKind(string, Uri, IEnumerable{ValueTuple{string, string}})"/>
    public static ProviderHost OfKind(
        TimeProvider clock,
        string kind,
        Uri address,
        params IEnumerable<(string Member, string Value)> more
    ) =>
        new(
            clock,
            more.Select(each => KeyValuePair.Create($"AIBACKEND_PROVIDERS__0__{each.Member}", (string?)each.Value))
                .Append(new("AIBACKEND_PROVIDERS__0__KIND", kind))
                .Concat(Entries([address], _ => "m"))
                .DistinctBy(each => each.Key)
        );

    public IAsyncEnumerable<ChatProgress> StreamAsync(string model = "default", ChatOptions? options = null) =>
        Chat.StreamAsync(model, Question, options, TestRun.Cancel);

    public void Dispose() => _host.Dispose();
}

internal static class ProgressExtensions
{
    public static async Task<List<ChatProgress>> ReadAllAsync(this IAsyncEnumerable<ChatProgress> progress)
    {
        var all = new List<ChatProgress>();
        await foreach (var step in progress.WithCancellation(TestRun.Cancel))
        {
            all.Add(step);
        }

        return all;
    }

    public static string Text(this IEnumerable<ChatProgress> progress) =>
        string.Concat(progress.OfType<ChatProgress.Text>().Select(text => text.Delta));
}
