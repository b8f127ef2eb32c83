namespace AiBackend.Tests.Chaos;

/// <summary>Callers that come on time whether or not earlier ones were served, as the world's do.</summary>
/// <param name="refused">What one job in forty asks for: it fails for good.</param>
/// <param name="tools">What one in sixteen runs instead of a chat; null: none does.</param>
internal sealed class ChaosLoad(
    ChaosClient client,
    IReadOnlyList<Lesson> lessons,
    Lesson refused,
    ChaosTools? tools,
    int perSecond,
    int readers
)
{
    private const int RefusedEvery = 40;
    private const int RunEvery = 16;

    private readonly List<Task> _callers = [];
    private readonly Random _random = new(20261126);
    private readonly SemaphoreSlim _readers = new(readers);
    private int _jobs;

    /// <summary>Submits until told to stop, and returns when every caller has its answer.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                _callers.RemoveAll(caller => caller.IsCompletedSuccessfully);
                _callers.Add(CallAsync(new Random(_random.Next()), cancellationToken));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The load ends; those who called wait for what they were promised.
        }

        await Task.WhenAll(_callers);
    }

    private async Task CallAsync(Random random, CancellationToken cancellationToken)
    {
        var lesson = ++_jobs % RefusedEvery == 0 ? refused : lessons[random.Next(lessons.Count)];
        if (tools is not null && _jobs % RunEvery == 1)
        {
            await client.SubmitAsync(ChaosJob.Of(tools, lessons[0], random), cancellationToken);
            return;
        }

        var job = ChaosJob.Of(lesson, random);
        var id = await SubmitAsync(job, random, cancellationToken);
        var reading = ReadSomeAsync(id, random, cancellationToken);
        if (random.Next(10) == 0)
        {
            await Task.Delay(random.Next(1000), cancellationToken);
            await client.CancelAsync(job, id, cancellationToken);
        }

        await reading;
    }

    private async Task<Guid> SubmitAsync(ChaosJob job, Random random, CancellationToken cancellationToken)
    {
        var first = client.SubmitAsync(job, cancellationToken);
        switch (random.Next(20))
        {
            case 0:
                await client.SubmitAsync(job, cancellationToken);
                break;
            case 1:
                await first;
                await client.SubmitOtherAsync(job, cancellationToken);
                break;
        }

        return await first;
    }

    /// <summary>As many readers as there is room for: one, or three of the same job.</summary>
    private Task ReadSomeAsync(Guid id, Random random, CancellationToken cancellationToken) =>
        Task.WhenAll(
            Enumerable.Range(0, random.Next(3) == 0 ? 3 : 1).Select(_ => ReadAsync(id, new Random(random.Next()), cancellationToken))
        );

    private async Task ReadAsync(Guid id, Random random, CancellationToken cancellationToken)
    {
        if (await _readers.WaitAsync(0, cancellationToken))
        {
            try
            {
                await client.ReadAsync(id, random, cancellationToken);
            }
            finally
            {
                _readers.Release();
            }
        }
    }
}
