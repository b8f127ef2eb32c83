using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text;
using AiBackend.Core.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Papers;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Responses;

#pragma warning disable OPENAI001 // The SDK calls its responses experimental.

namespace AiBackend.Tests.OpenAiApi;

/// <summary>OpenAI's own .NET SDK on a bad day: it runs out of patience, is cut off, changes its mind, or a worker dies.</summary>
[Collection(StackCollection.Name)]
public sealed class DotNetTroubleTests(StackFixture fixture)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(7);

    private readonly Stack _stack = fixture.Stack;
    private readonly JobClient _client = new(fixture.Stack);

    [Fact]
    public async Task A_call_that_takes_longer_than_it_waits_is_an_error_to_it_and_takes_its_job_along()
    {
        var (chat, response) = (await _client.TeachWordsAsync(2000, 20), await _client.TeachWordsAsync(2000, 20));

        // Far less than the 40 s that an answer takes, and enough for a job to be made of it on a machine that has more to do.
        await Task.WhenAll(
            Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                Chat(chat, patience: Patience).CompleteChatAsync([new UserChatMessage("Go on.")], null, TestRun.Cancel)
            ),
            Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                Responses(patience: Patience).CreateResponseAsync(response, "Go on.", null, TestRun.Cancel)
            )
        );

        await _client.EndOfAsync(chat, JobStatus.Cancelled);
        await _client.EndOfAsync(response, JobStatus.Cancelled);
    }

    [Fact]
    public async Task A_call_that_is_aborted_takes_its_job_along_whether_it_streams_or_not()
    {
        var models = new List<string>();

        foreach (var call in (Func<string, CancellationToken, Task>[])[CompleteAsync, StreamResponseAsync, CreateResponseAsync])
        {
            var model = await _client.TeachWordsAsync(2000, 20);
            models.Add(model);
            using var leave = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);

            var running = call(model, leave.Token);
            await _stack.HolderAsync(model);
            await leave.CancelAsync();

            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        }

        foreach (var model in models)
        {
            await _client.EndOfAsync(model, JobStatus.Cancelled);
        }

        Task CompleteAsync(string model, CancellationToken token) =>
            Chat(model).CompleteChatAsync([new UserChatMessage("Go on.")], null, token);

        Task CreateResponseAsync(string model, CancellationToken token) => Responses().CreateResponseAsync(model, "Go on.", null, token);

        async Task StreamResponseAsync(string model, CancellationToken token)
        {
            // One that is stored goes on, since its stream can be taken up again.
            var options = new CreateResponseOptions(model, [ResponseItem.CreateUserMessageItem("Go on.")])
            {
                StreamingEnabled = true,
                StoredOutputEnabled = false,
            };
            await foreach (var _ in (await Responses().CreateResponseStreamingAsync(options, token)).WithCancellation(token)) { }
        }
    }

    [Fact]
    public async Task F_2_a_stream_whose_connection_breaks_in_the_middle_is_an_error_to_it_and_never_an_answer_that_has_ended()
    {
        await using var proxy = await CuttingProxy.StartAsync(_stack.ApiAddress);
        // Slowly, so that what is cut is not the first event that has text, even where several words are sent at once.
        var model = await _client.TeachWordsAsync(2000, 100);
        var (text, reason) = (new StringBuilder(), (ChatFinishReason?)null);

        var broken = await Record.ExceptionAsync(async () =>
        {
            await foreach (
                var update in Chat(model, new Uri(proxy.Address))
                    .CompleteChatStreamingAsync([new UserChatMessage("Go on.")], null, TestRun.Cancel)
            )
            {
                text.AppendJoin("", update.ContentUpdate.Select(part => part.Text));
                reason = update.FinishReason ?? reason;
            }
        });

        Assert.True(broken is IOException or ClientResultException, $"It is {broken}.");
        Assert.Equal("/v1/chat/completions", Assert.Single(proxy.Cut));
        Assert.Null(reason);
        Assert.NotEqual(0, text.Length);
        Assert.StartsWith(text.ToString(), JobClient.Words(2000), StringComparison.Ordinal);
        await _client.EndOfAsync(model, JobStatus.Cancelled);
    }

    [Fact]
    public async Task A_response_in_the_background_outlives_a_broken_connection_and_is_read_on_from_where_it_broke()
    {
        await using var proxy = await CuttingProxy.StartAsync(_stack.ApiAddress);
        var model = await _client.TeachWordsAsync(60, 5);
        var client = Responses(new Uri(proxy.Address));
        var (text, last) = (new StringBuilder(), (int?)null);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        ResponseResult begun = await client.CreateResponseAsync(
            new CreateResponseOptions(model, [ResponseItem.CreateUserMessageItem("Go on.")]) { BackgroundModeEnabled = true },
            TestRun.Cancel
        );

        for (var ended = false; !ended; )
        {
            try
            {
                var options = new GetResponseOptions(begun.Id) { StreamingEnabled = true, StartingAfter = last };
                await foreach (
                    var update in (await client.GetResponseStreamingAsync(options, patience.Token)).WithCancellation(patience.Token)
                )
                {
                    Assert.False(update is StreamingResponseFailedUpdate, $"It failed after: {text}");
                    last = update.SequenceNumber;
                    text.Append(update is StreamingResponseOutputTextDeltaUpdate delta ? delta.Delta : "");
                    ended |= update is StreamingResponseCompletedUpdate;
                }
            }
            catch (Exception cut) when (!ended && cut is (IOException or ClientResultException { Status: 0 }))
            {
                // Cut before its headers were read, the client asks again by itself; else we do.
            }
        }

        Assert.Single(proxy.Cut);
        Assert.Equal(JobClient.Words(60), text.ToString());
    }

    [Fact]
    public async Task F_2_a_worker_killed_mid_stream_is_never_an_answer_that_has_ended()
    {
        // Far longer than it takes to kill who writes it.
        var model = await _client.TeachWordsAsync(2000, 20);
        var (text, reason, usage) = (new StringBuilder(), (ChatFinishReason?)null, (ChatTokenUsage?)null);
        var hasText = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        // This SDK passes over the error in the stream that others raise: what it has is no answer either way.
        var reading = Record.ExceptionAsync(async () =>
        {
            await foreach (var update in Chat(model).CompleteChatStreamingAsync([new UserChatMessage("Go on.")], null, TestRun.Cancel))
            {
                text.AppendJoin("", update.ContentUpdate.Select(part => part.Text));
                (reason, usage) = (update.FinishReason ?? reason, update.Usage ?? usage);
                if (text.Length > 0)
                {
                    hasText.TrySetResult();
                }
            }
        });
        var holder = await _stack.HolderAsync(model);
        await hasText.Task.WaitAsync(TimeSpan.FromSeconds(60), TestRun.Cancel);
        _stack.KillWorker(holder);
        await reading;

        Assert.NotEqual(0, text.Length);
        Assert.StartsWith(text.ToString(), JobClient.Words(1999), StringComparison.Ordinal);
        Assert.Equal((null, null), (reason, usage));
    }

    private ChatClient Chat(string model, Uri? server = null, TimeSpan? patience = null) =>
        new(
            model,
            new ApiKeyCredential(_stack.Key),
            new OpenAIClientOptions
            {
                Endpoint = new Uri(server ?? _stack.ApiAddress, "v1"),
                RetryPolicy = new ClientRetryPolicy(0),
                NetworkTimeout = patience,
            }
        );

    private ResponsesClient Responses(Uri? server = null, TimeSpan? patience = null) =>
        new(
            new ApiKeyCredential(_stack.Key),
            new ResponsesClientOptions
            {
                Endpoint = new Uri(server ?? _stack.ApiAddress, "v1"),
                RetryPolicy = new ClientRetryPolicy(0),
                NetworkTimeout = patience,
            }
        );
}
