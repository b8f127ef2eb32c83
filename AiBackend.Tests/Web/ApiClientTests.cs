using AiBackend.Tests.Fixtures;
using AiBackend.Web.Api;
using AiBackend.Web.Ask;

namespace AiBackend.Tests.Web;

/// <summary>What a page says when the Api is away.</summary>
public sealed class ApiClientTests
{
    [Fact]
    public async Task Only_what_is_tried_again_by_itself_is_said_to_be()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["services:api:http:0"] = $"http://127.0.0.1:{FreePort.Next()}";
        builder.Services.AddSingleton(TimeProvider.System);
        builder.AddApiClient();
        using var host = builder.Build();
        var api = host.Services.GetRequiredService<ApiClient>();

        var read = await api.GetJobAsync(Guid.CreateVersion7(), TestRun.Cancel);
        var sent = await api.SubmitAsync(ChatRequest.Of("Hello.", "default"), "a key", TestRun.Cancel);
        var stopped = await api.CancelAsync(Guid.CreateVersion7(), TestRun.Cancel);

        Assert.Contains("keeps trying", read.FailureOrNull?.Detail, StringComparison.Ordinal);
        Assert.All(
            [sent, stopped],
            acted =>
            {
                Assert.Contains("Press the button again", acted.FailureOrNull?.Detail, StringComparison.Ordinal);
                Assert.DoesNotContain("keeps trying", acted.FailureOrNull?.Detail, StringComparison.Ordinal);
            }
        );
    }

    [Fact]
    public void A_refused_key_is_tried_again_by_itself_only_where_a_page_reads()
    {
        Assert.Contains("tries again by itself", ApiFailure.NotSignedIn.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("by itself", ApiFailure.NotSignedIn.OfAction.Detail, StringComparison.Ordinal);
    }
}
