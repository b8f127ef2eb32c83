using System.Diagnostics;
using System.Globalization;
using System.Text;
using AiBackend.Bench.Load;
using AiBackend.Bench.Stack;

namespace AiBackend.Bench.Scenarios;

/// <summary>Queues jobs while no worker runs, then measures how long one worker takes from the first claim to the last recorded outcome.</summary>
internal static class Backlog
{
    private const int Connections = 64;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(8);

    /// <summary>Jobs that did not complete, ended twice or have gaps in their log: must be 0.</summary>
    public const string WrongSql = """
        SELECT (SELECT count(*) FROM jobs WHERE status <> 6)
             + (SELECT count(*) FROM (SELECT job_id FROM job_events WHERE kind = 7 GROUP BY job_id HAVING count(*) <> 1) twice)
             + (SELECT count(*) FROM jobs j WHERE last_seq <> (SELECT count(*) FROM job_events e WHERE e.job_id = j.id))
        """;

    public static async Task QueueAsync(BenchStack stack, int jobs, string body, CancellationToken cancellationToken)
    {
        var left = jobs;
        await Task.WhenAll(
            Enumerable
                .Range(0, Connections)
                .Select(async _ =>
                {
                    using var connection = await RawConnection.OpenAsync(stack.Api, cancellationToken);
                    while (Interlocked.Decrement(ref left) >= 0)
                    {
                        var (status, answer) = await connection.SendAsync(
                            Requests.Post(stack.Api, "/api/v1/jobs", stack.Key, body),
                            cancellationToken
                        );
                        if (status != 202)
                        {
                            throw new InvalidOperationException(
                                string.Create(
                                    CultureInfo.InvariantCulture,
                                    $"A job was refused with {status}: {Encoding.UTF8.GetString(answer.Span)}"
                                )
                            );
                        }
                    }
                })
        );
        await stack.AnalyzeAsync(cancellationToken);
    }

    /// <summary>Starts the worker and waits for the end of all jobs.</summary>
    public static async Task<BacklogResult> WorkOffAsync(BenchStack stack, int jobs, TimeSpan limit, CancellationToken cancellationToken)
    {
        await stack.StartWorkerAsync(cancellationToken);
        return await EndAsync(stack, jobs, jobs, limit, cancellationToken);
    }

    /// <summary>
    /// The same with a worker that has run such jobs for a while: what a process does for the first time, it compiles. The queue is paused while the
    /// jobs that are measured are added.
    /// </summary>
    public static async Task<BacklogResult> WorkOffWarmAsync(
        BenchStack stack,
        int jobs,
        string body,
        TimeSpan limit,
        CancellationToken cancellationToken
    )
    {
        var all = 0;
        await WarmUpAsync(async () =>
        {
            await QueueAsync(stack, jobs, body, cancellationToken);
            await EndAsync(stack, jobs, all += jobs, limit, cancellationToken);
        });
        await ControlAsync(stack, "pause", cancellationToken);
        await QueueAsync(stack, jobs, body, cancellationToken);
        await ControlAsync(stack, "resume", cancellationToken);
        return await EndAsync(stack, jobs, all + jobs, limit, cancellationToken);
    }

    /// <summary>Does for a while what is going to be measured.</summary>
    public static async Task WarmUpAsync(Func<Task> run)
    {
        var watch = Stopwatch.StartNew();
        do
        {
            await run();
        } while (watch.Elapsed < WarmUp);
    }

    private static async Task ControlAsync(BenchStack stack, string act, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = stack.Api };
        http.DefaultRequestHeaders.Authorization = new("Bearer", stack.Key);
        using var answer = await http.PostAsJsonAsync($"/api/v1/queues/{act}", new { kind = "queue", name = "default" }, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }

    /// <param name="stack">Where.</param>
    /// <param name="jobs">How many are measured, the last that were added.</param>
    /// <param name="all">How many there are.</param>
    /// <param name="limit">How long they may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    private static async Task<BacklogResult> EndAsync(
        BenchStack stack,
        int jobs,
        int all,
        TimeSpan limit,
        CancellationToken cancellationToken
    )
    {
        await stack.WaitUntilAsync("SELECT count(*) FROM jobs WHERE status >= 6", all, limit, cancellationToken);
        var usage = stack.UsageOf(BenchStack.WorkerName);
        var seconds = await stack.ScalarAsync<double>(
            string.Create(
                CultureInfo.InvariantCulture,
                $"SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM (SELECT * FROM jobs ORDER BY id DESC LIMIT {jobs}) last"
            ),
            cancellationToken
        );
        var wrong = await stack.ScalarAsync<long>(WrongSql, cancellationToken);
        return new BacklogResult(seconds, usage, wrong);
    }
}

/// <summary>How a backlog was worked off.</summary>
/// <param name="Seconds">First claim to last recorded outcome.</param>
/// <param name="Worker">What the worker used.</param>
/// <param name="Wrong">Jobs that did not complete, ended twice or have gaps in their log: must be 0.</param>
internal sealed record BacklogResult(double Seconds, ProcessUsage Worker, long Wrong);
