using AiBackend.Core.Providers;
using AiBackend.Core.Providers.Failures;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Providers;

internal static class Failure
{
    /// <summary>Reads until the call fails, and says what the failure is.</summary>
    public static async Task<ProviderFailure> OfAsync(IAsyncEnumerable<ChatProgress> progress) =>
        (await WithProgressAsync(progress)).Failure;

    /// <inheritdoc cref="OfAsync"/>
    public static async Task<(List<ChatProgress> Progress, ProviderFailure Failure)> WithProgressAsync(
        IAsyncEnumerable<ChatProgress> progress
    )
    {
        var seen = new List<ChatProgress>();
        var exception = await Record.ExceptionAsync(async () =>
        {
            await foreach (var step in progress.WithCancellation(TestRun.Cancel))
            {
                seen.Add(step);
            }
        });

        Assert.True(exception is not null, $"No failure, but: {string.Join(", ", seen)}");
        return (seen, ProviderFailures.Classify(exception));
    }
}
