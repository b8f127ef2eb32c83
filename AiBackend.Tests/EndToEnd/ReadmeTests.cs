namespace AiBackend.Tests.EndToEnd;

/// <summary>The examples of the README, run as a reader would paste them; only the address and the key file are this stack's.</summary>
[Collection(StackCollection.Name)]
public sealed class ReadmeTests(StackFixture fixture)
{
    private readonly Stack _stack = fixture.Stack;

    [Fact]
    public async Task Asking_and_waiting_answers_with_the_finished_job()
    {
        var output = await RunAsync("ask");

        Assert.Contains("\"status\":\"completed\"", output, StringComparison.Ordinal);
        Assert.Contains("simulated answer", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Streaming_shows_the_events_up_to_the_final_one()
    {
        var output = await RunAsync("stream");

        Assert.Contains("event: delta", output, StringComparison.Ordinal);
        Assert.Contains("event: final", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Retrying_with_one_key_gives_one_job()
    {
        var output = await RunAsync("retry");

        var ids = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, ids.Length);
        Assert.True(Guid.TryParse(Assert.Single(ids.Distinct()), out _), output);
    }

    private Task<string> RunAsync(string example) => Example.RunAsync(_stack, "README.md", example);
}
