using System.Text;
using System.Text.Json;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Workflows;

/// <summary>Versions of a workflow, when several people change it.</summary>
public sealed class WorkflowVersionTests(ApiServer api) : IClassFixture<ApiServer>
{
    [Fact]
    public async Task Puts_at_the_same_time_are_a_version_each()
    {
        var versions = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => PutAsync()));

        Assert.Equal(Enumerable.Range(1, 8), versions.Order());
    }

    private async Task<int> PutAsync()
    {
        using var body = new StringContent(
            """{"steps":[{"name":"out","type":"transform","value":"1"}]}""",
            Encoding.UTF8,
            "application/json"
        );
        using var answer = await api.Http.PutAsync(new Uri("/api/v1/workflows/contended", UriKind.Relative), body, TestRun.Cancel);
        var text = await answer.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonElement.Parse(text).GetProperty("version").GetInt32();
    }
}
