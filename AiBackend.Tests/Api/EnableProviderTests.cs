using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Api;

/// <summary>A provider whose key was refused is shown as such, and can be enabled without a new key.</summary>
public sealed class EnableProviderTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Provider = "simulator";

    [Fact]
    public async Task F_28_a_provider_whose_key_was_refused_says_so_until_it_is_enabled()
    {
        var key = api.Get<ProviderCatalog>().Route("default")[0].KeyId;
        await api.Get<RefusedKeyStore>().AddAsync([(Provider, "another"), ("another", key)], TestRun.Cancel);
        Assert.NotEqual("key_refused", await StateAsync());
        await api.Get<RefusedKeyStore>().AddAsync([(Provider, key)], TestRun.Cancel);
        // What Postgres does not say at once is not told, here and below.
        await UntilStateAsync("key_refused");

        using var enabled = await api.Http.PostAsync($"/api/v1/providers/{Provider}/enable", null, TestRun.Cancel);

        var provider = JsonSerializer.Deserialize(
            await enabled.Content.ReadAsByteArrayAsync(TestRun.Cancel),
            WireJson.Default.ProviderInfo
        )!;
        Assert.Equal((HttpStatusCode.OK, Provider, "up"), (enabled.StatusCode, provider.Name, provider.State ?? "up"));
        await UntilStateAsync("up");
    }

    [Fact]
    public async Task An_unknown_provider_and_a_key_that_may_only_read_are_refused()
    {
        var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "operations:read", "jobs:write"));

        using var unknown = await api.Http.PostAsync("/api/v1/providers/nobody/enable", null, TestRun.Cancel);
        using var refused = await reader.PostAsync($"/api/v1/providers/{Provider}/enable", null, TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(unknown);
        Assert.Equal("/problems/provider-not-found", problem.Type);
        Assert.Equal("There is no provider \"nobody\". Choose one of: simulator.", problem.Detail);
        Assert.Equal("/problems/missing-scope", (await ApiServer.ReadProblemAsync(refused)).Type);
    }

    private Task UntilStateAsync(string state) =>
        Eventually.TrueAsync(async _ => await StateAsync() == state, $"the provider is shown as {state}");

    private async Task<string?> StateAsync() =>
        JsonSerializer
            .Deserialize(await api.Http.GetByteArrayAsync("/api/v1/providers", TestRun.Cancel), WireJson.Default.ProviderList)!
            .Data.Single()
            .State;
}
