using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Routing;

/// <summary>Jobs that leave their model to the installation: only where an operator has said which models that are.</summary>
public sealed class AutoRouteTests(PostgresServer postgres) : IAsyncLifetime
{
    private const string Moving =
        """{"targets":[{"provider":"simulator","model":"sim-fast","when":{"under_pressure":true}},{"provider":"simulator","model":"sim"}]}""";

    private readonly ApiServer _api = new(postgres);

    public ValueTask InitializeAsync() => _api.InitializeAsync();

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task Without_a_route_of_that_name_the_job_is_refused_with_the_remedy()
    {
        using var refused = await _api.PostAsync(AutoJob);

        var problem = await ApiServer.ReadProblemAsync(refused);
        Assert.Equal("unknown_model", problem.Code);
        Assert.Contains("PUT /api/v1/routes/auto", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_it_the_job_is_taken_and_the_route_shows_its_condition()
    {
        using var made = await PutAsync("auto");

        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        Assert.Equal("auto", (await _api.SubmitAsync(AutoJob)).Model);
        var text = await _api.Http.GetStringAsync("/api/v1/routes/auto", TestRun.Cancel);
        Assert.True(JsonSerializer.Deserialize(text, WireJson.Default.ModelRoute)!.Targets[0].When!.UnderPressure);
    }

    [Theory]
    [InlineData("support")]
    [InlineData("automatic")]
    public async Task Who_asks_for_another_name_is_never_moved(string name)
    {
        using var refused = await PutAsync(name);

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("'auto' or 'auto-…' only", (await ApiServer.ReadProblemAsync(refused)).Detail, StringComparison.Ordinal);
        using var variant = await PutAsync("auto-support");
        Assert.Equal(HttpStatusCode.Created, variant.StatusCode);
    }

    private static string AutoJob => """{"type":"chat","model":"auto","input":{"messages":[{"role":"user","content":"Hello"}]}}""";

    private async Task<HttpResponseMessage> PutAsync(string name)
    {
        using var content = new StringContent(Moving, Encoding.UTF8, "application/json");
        return await _api.Http.PutAsync($"/api/v1/routes/{name}", content, TestRun.Cancel);
    }
}
