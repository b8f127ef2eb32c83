using System.Text.RegularExpressions;
using AiBackend.Core.Providers.Configuration;
using AiBackend.Tests.Architecture;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Providers;

/// <summary>The variables a user would set, and what they are told when one is wrong.</summary>
public sealed partial class ProvidersConfigurationTests
{
    private static readonly KeyValuePair<string, string?> Simulator = new("services__simulator__http__0", "http://127.0.0.1:5099");

    [Fact]
    public void With_nothing_configured_the_simulator_answers_and_says_so()
    {
        using var providers = new ProviderHost(Simulator);

        var only = Assert.Single(providers.Catalog.Providers);
        Assert.Equal(("simulator", "sim", true), (only.Name, only.Model, only.Simulated));
        Assert.Equal(["default", "sim"], providers.Catalog.KnownModels);
        Assert.True(providers.Catalog.Knows("sim-anything"));
        Assert.Equal("sim-anything", Assert.Single(providers.Catalog.Route("sim-anything")).Model);
        Assert.False(providers.Catalog.Knows("gpt-x"));
        Assert.Empty(providers.Catalog.Route("gpt-x"));
    }

    [Fact]
    public void D_2_A_71_production_never_answers_with_the_simulator()
    {
        using var providers = new ProviderHost("Production", Simulator);

        var problem = Assert.Single(Problems(providers));
        Assert.StartsWith(
            "No model provider is configured, and Production does not answer with the simulator. Set OPENAI_API_KEY or ANTHROPIC_API_KEY",
            problem,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_key_alone_means_OpenAI()
    {
        var openAi = Options(new("OPENAI_API_KEY", "sk-1"), Simulator).Single();

        Assert.Equal(
            ("openai", "https://api.openai.com/v1", "sk-1", false),
            (openAi.Name, openAi.BaseUrl.ToString(), openAi.ApiKey, openAi.Simulated)
        );
        Assert.NotEmpty(openAi.Model);
    }

    [Fact]
    public void A_key_of_Anthropics_alone_means_Anthropic()
    {
        var anthropic = Options(new("ANTHROPIC_API_KEY", "sk-ant"), Simulator).Single();

        Assert.Equal(
            (ProviderKind.Anthropic, "anthropic", "https://api.anthropic.com/", "sk-ant", false),
            (anthropic.Kind, anthropic.Name, anthropic.BaseUrl.ToString(), anthropic.ApiKey, anthropic.Simulated)
        );
        Assert.NotEmpty(anthropic.Model);
    }

    [Fact]
    public void OpenAI_is_asked_before_Anthropic_when_both_are_set()
    {
        using var providers = new ProviderHost([
            KeyValuePair.Create<string, string?>("ANTHROPIC_API_KEY", "sk-ant"),
            new("ANTHROPIC_MODEL", "claude-x"),
            new("ANTHROPIC_BASE_URL", "http://claude.example"),
            new("OPENAI_API_KEY", "sk-1"),
            new("OPENAI_MODEL", "gpt-x"),
        ]);

        Assert.Equal(
            [("openai", "gpt-x"), ("anthropic", "claude-x")],
            providers.Catalog.Route("default").Select(stop => (stop.Provider, stop.Model))
        );
        Assert.Equal(["default", "gpt-x", "claude-x"], providers.Catalog.KnownModels);
    }

    [Fact]
    public void An_entry_of_a_list_may_name_its_kind()
    {
        var options = Options(
            new("AIBACKEND_PROVIDERS__0__NAME", "claude"),
            new("AIBACKEND_PROVIDERS__0__KIND", "Anthropic"),
            new("AIBACKEND_PROVIDERS__0__API_KEY", "sk-ant"),
            new("AIBACKEND_PROVIDERS__0__MODEL", "claude-x"),
            new("AIBACKEND_PROVIDERS__1__NAME", "gpt"),
            new("AIBACKEND_PROVIDERS__1__KIND", "openai"),
            new("AIBACKEND_PROVIDERS__1__API_KEY", "sk-1"),
            new("AIBACKEND_PROVIDERS__1__MODEL", "gpt-x"),
            new("AIBACKEND_PROVIDERS__2__NAME", "local"),
            new("AIBACKEND_PROVIDERS__2__BASE_URL", "http://localhost:1/v1"),
            new("AIBACKEND_PROVIDERS__2__MODEL", "llama")
        );

        Assert.Equal(
            [
                (ProviderKind.Anthropic, "https://api.anthropic.com/"),
                (ProviderKind.OpenAi, "https://api.openai.com/v1"),
                (ProviderKind.OpenAi, "http://localhost:1/v1"),
            ],
            options.Select(each => (each.Kind, each.BaseUrl.ToString()))
        );
    }

    [Fact]
    public void The_several_providers_of_the_readme_are_understood()
    {
        var command = Repository.Read("README.md").Split("```sh").Single(block => block.Contains("AIBACKEND_PROVIDERS__0__NAME"));
        var variables = Variable()
            .Matches(command.Split("```")[0])
            .Select(match => KeyValuePair.Create(match.Groups[1].Value, (string?)match.Groups[2].Value));

        var providers = Options(variables);

        Assert.Equal(
            [("main", "https://api.openai.com/v1"), ("claude", "https://api.anthropic.com/"), ("local", "http://localhost:11434/v1")],
            providers.Select(provider => (provider.Name, provider.BaseUrl.ToString()))
        );
    }

    [Fact]
    public void An_address_alone_means_a_server_without_keys()
    {
        var local = Options(new("OPENAI_BASE_URL", "http://localhost:11434/v1/"), new("OPENAI_MODEL", "llama3"), new("OPENAI_API_KEY", ""))
            .Single();

        Assert.Equal(("openai", null, "llama3"), (local.Name, local.ApiKey, local.Model));
    }

    [Fact]
    public void A_list_keeps_its_order_and_wins_over_a_key_that_lies_around()
    {
        var options = Options(
            new("OPENAI_API_KEY", "sk-from-the-shell"),
            new("AIBACKEND_PROVIDERS__10__NAME", "last"),
            new("AIBACKEND_PROVIDERS__10__BASE_URL", "https://c.example/v1"),
            new("AIBACKEND_PROVIDERS__10__MODEL", "m3"),
            new("AIBACKEND_PROVIDERS__2__NAME", "second"),
            new("AIBACKEND_PROVIDERS__2__BASEURL", "https://b.example/v1"),
            new("AIBACKEND_PROVIDERS__2__MODELS", "m2, m2-large"),
            new("AIBACKEND_PROVIDERS__0__NAME", "first"),
            new("AIBACKEND_PROVIDERS__0__BASE_URL", "https://a.example/v1"),
            new("AIBACKEND_PROVIDERS__0__API_KEY", "k"),
            new("AIBACKEND_PROVIDERS__0__MODEL", "m1"),
            new("AIBACKEND_PROVIDERS__0__MODELS__0", "m1-mini")
        );

        Assert.Equal(["first", "second", "last"], options.Select(each => each.Name));
        Assert.Equal(["m1", "m1-mini"], options[0].Models);
        Assert.Equal(["m2", "m2-large"], options[1].Models);
        Assert.Equal("m2", options[1].Model);
        Assert.Equal(["k", null, null], options.Select(each => each.ApiKey));
    }

    [Fact]
    public void An_entry_may_be_keyed_by_its_name()
    {
        var groq = Options(
                new("AIBACKEND_PROVIDERS__GROQ__BASE_URL", "https://api.groq.com/openai/v1"),
                new("AIBACKEND_PROVIDERS__GROQ__MODEL", "llama")
            )
            .Single();

        Assert.Equal("groq", groq.Name);
    }

    [Fact]
    public void The_route_default_asks_each_provider_for_its_own_model()
    {
        using var providers = new ProviderHost(ProviderHost.Entries([new("http://a"), new("http://b")], index => $"m{index}"));

        Assert.Equal([("p0", "m0"), ("p1", "m1")], providers.Catalog.Route("default").Select(stop => (stop.Provider, stop.Model)));
        Assert.False(providers.Catalog.Knows("sim"));
    }

    [Fact]
    public void Time_limits_have_defaults_a_setting_for_all_and_one_for_each()
    {
        var options = Options([
            .. ProviderHost.Entries([new("http://a"), new("http://b")], _ => "m"),
            new("AIBACKEND_PROVIDERS__DEFAULTS__IDLE_TIMEOUT_SECONDS", "7"),
            new("AIBACKEND_PROVIDERS__1__IDLE_TIMEOUT_SECONDS", "2.5"),
        ]);

        Assert.Equal(new ProviderTimeouts { Idle = TimeSpan.FromSeconds(7) }, options[0].Timeouts);
        Assert.Equal(TimeSpan.FromSeconds(2.5), options[1].Timeouts.Idle);
        var defaults = new ProviderTimeouts();
        Assert.Equal(
            (5, 60, 30, 600),
            (defaults.Connect.TotalSeconds, defaults.FirstToken.TotalSeconds, defaults.Idle.TotalSeconds, defaults.Total.TotalSeconds)
        );
    }

    [Theory]
    [InlineData("OPENAI_MODEL", "gpt-x", "OPENAI_MODEL is 'gpt-x', but there is nowhere to ask for it. Set OPENAI_API_KEY")]
    [InlineData("OPENAI_BASE_URL", "localhost:1234", "OPENAI_BASE_URL must be an absolute http or https address")]
    [InlineData("OPENAI_BASE_URL", "https://me:secret@h/v1", "OPENAI_BASE_URL must be an absolute http or https address")]
    [InlineData(
        "AIBACKEND_PROVIDERS__0__NAME",
        "a b",
        "AIBACKEND_PROVIDERS__0__NAME is 'a b'. Give the provider a name of 1 to 40 letters"
    )]
    [InlineData("ANTHROPIC_MODEL", "claude-x", "ANTHROPIC_MODEL is 'claude-x', but there is nowhere to ask for it. Set ANTHROPIC_API_KEY")]
    [InlineData("ANTHROPIC_BASE_URL", "localhost:1234", "ANTHROPIC_BASE_URL must be an absolute http or https address")]
    [InlineData("AIBACKEND_PROVIDERS__0__KIND", "gemini", "AIBACKEND_PROVIDERS__0__KIND is 'gemini'. Set it to openai or anthropic.")]
    [InlineData("AIBACKEND_PROVIDERS__0__URL", "http://x", "AIBACKEND_PROVIDERS__0__URL is not known. Known: NAME, BASE_URL")]
    [InlineData("AIBACKEND_PROVIDERS__0__NAME", "p", "AIBACKEND_PROVIDERS__0__MODEL is missing. Set it to the model that 'p' should use.")]
    public void A_wrong_setting_stops_the_start_and_names_the_remedy(string variable, string value, string beginning)
    {
        using var providers = new ProviderHost([KeyValuePair.Create<string, string?>(variable, value), Simulator]);

        var problems = Problems(providers);

        Assert.Contains(problems, problem => problem.StartsWith(beginning, StringComparison.Ordinal));
        Assert.DoesNotContain(problems, problem => problem.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("soon")]
    [InlineData("1e9")]
    public void A_time_limit_that_is_none_is_refused(string seconds)
    {
        using var providers = new ProviderHost([
            KeyValuePair.Create<string, string?>("AIBACKEND_PROVIDERS__DEFAULTS__TOTAL_TIMEOUT_SECONDS", seconds),
            Simulator,
        ]);

        Assert.Equal(
            $"AIBACKEND_PROVIDERS__DEFAULTS__TOTAL_TIMEOUT_SECONDS is '{seconds}'. Set it to a number of seconds from 0.05 to 86400.",
            Assert.Single(Problems(providers))
        );
    }

    [Fact]
    public void Limits_for_all_are_no_provider_and_hold_for_the_simulator_too()
    {
        var simulator = Options(new("AIBACKEND_PROVIDERS__DEFAULTS__TOTAL_TIMEOUT_SECONDS", "9"), Simulator).Single();

        Assert.Equal(("simulator", TimeSpan.FromSeconds(9)), (simulator.Name, simulator.Timeouts.Total));
    }

    [Fact]
    public void Two_providers_cannot_share_a_name()
    {
        using var providers = new ProviderHost(
            ProviderHost
                .Entries([new("http://a"), new("http://b")], _ => "m")
                .Select(each => each.Value is "p1" ? new(each.Key, "P0") : each)
        );

        Assert.Equal(
            "AIBACKEND_PROVIDERS has the name 'p0' more than once. Give each provider its own name.",
            Assert.Single(Problems(providers))
        );
    }

    private static IReadOnlyList<ProviderOptions> Options(params IEnumerable<KeyValuePair<string, string?>> variables)
    {
        using var providers = new ProviderHost(variables);
        return providers.Services.GetRequiredService<IOptions<ProvidersOptions>>().Value.Providers;
    }

    private static IEnumerable<string> Problems(ProviderHost providers) =>
        Assert.Throws<OptionsValidationException>(() => providers.Services.GetRequiredService<IStartupValidator>().Validate()).Failures;

    [GeneratedRegex(@"(AIBACKEND_\w+)=(\S+)")]
    private static partial Regex Variable();
}
