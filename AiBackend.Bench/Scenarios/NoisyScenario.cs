using AiBackend.Bench.Load;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Stack;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;

namespace AiBackend.Bench.Scenarios;

/// <summary>
/// <c>noisy</c>: how long a tenant's jobs wait alone, while another tenant submits twenty times its share, and when slots are kept for it meanwhile.
/// </summary>
internal static class NoisyScenario
{
    private const int Slots = 32;
    private const int Reserved = Slots / 2;
    private const int RunMilliseconds = 400;
    private const double Capacity = Slots * 1000.0 / RunMilliseconds;

    // Of two tenants each one's share is a half; the quiet one uses half of its own.
    private const double Share = Capacity / 2;
    private const double Quiet = 0.5 * Share;
    private const double Noisy = 20 * Share;
    private const int Seed = 6;

    public static async Task<IReadOnlyList<Measurement>> RunAsync(BenchOptions options, CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.StartAsync(options, new StackSettings(Slots: Slots), cancellationToken);
        var noisyKey = await AddTenantAsync(stack, cancellationToken);
        var random = new Random(Seed);
        await SendAsync(stack, Load(random, stack.Key, Quiet, TimeSpan.FromSeconds(5)), cancellationToken);
        await stack.AnalyzeAsync(cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(6), cancellationToken);

        var alone = await SendAsync(stack, Load(random, stack.Key, Quiet, options.Duration), cancellationToken);
        var shared = await SendBesideNoiseAsync(stack, random, noisyKey, options.Duration, cancellationToken);
        var left = await LeftAsync(stack, cancellationToken);
        await ReserveAsync(stack, cancellationToken);
        var kept = await SendBesideNoiseAsync(stack, random, noisyKey, options.Duration, cancellationToken);
        var waits = await WaitsAsync(stack, [.. alone.Concat(shared).Concat(kept).Select(job => job.Id)], cancellationToken);
        return
        [
            .. Percentiles("alone", alone),
            .. Percentiles("beside a noisy tenant", shared),
            .. Percentiles("beside it, with slots kept", kept),
            new("beside a noisy tenant", "of its jobs that wait", "jobs", left),
        ];

        IEnumerable<Measurement> Percentiles(string name, IEnumerable<SentJob> jobs)
        {
            var sorted = jobs.Select(job => waits[job.Id]).Order().ToList();
            return [new(name, "wait p50", "ms", sorted.At(0.5)), new(name, "wait p95", "ms", sorted.At(0.95))];
        }
    }

    /// <returns>The quiet tenant's jobs.</returns>
    private static async Task<List<SentJob>> SendBesideNoiseAsync(
        BenchStack stack,
        Random random,
        string noisyKey,
        TimeSpan duration,
        CancellationToken cancellationToken
    )
    {
        var both = Load(random, stack.Key, Quiet, duration)
            .Concat(Load(random, noisyKey, Noisy, duration))
            .OrderBy(request => request.At)
            .ToList();
        var sent = await SendAsync(stack, both, cancellationToken);
        return [.. sent.Where((_, index) => both[index].Key == stack.Key)];
    }

    private static async Task ReserveAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        await using var command = stack.Database.CreateCommand("UPDATE tenants SET reserved_slots = @slots WHERE slug = 'default'");
        command.Parameters.AddWithValue("slots", Reserved);
        await command.ExecuteNonQueryAsync(cancellationToken);
        // The dispatcher reads it once a second.
        await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
    }

    private static Task<SentJob[]> SendAsync(BenchStack stack, List<TimedRequest> requests, CancellationToken cancellationToken) =>
        TimedLoad.SendAsync(stack.Api, requests, cancellationToken);

    private static List<TimedRequest> Load(Random random, string key, double perSecond, TimeSpan duration)
    {
        var (requests, at) = (new List<TimedRequest>(), 0.0);
        while (at < duration.TotalSeconds)
        {
            at -= Math.Log(1 - random.NextDouble()) / perSecond;
            requests.Add(
                new(
                    TimeSpan.FromSeconds(at),
                    key,
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $$$"""{"type":"noop","input":{"milliseconds":{{{RunMilliseconds}}}}}"""
                    )
                )
            );
        }

        return requests;
    }

    private static async Task<string> AddTenantAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var tenant = Guid.CreateVersion7();
        await using var command = stack.Database.CreateCommand("INSERT INTO tenants (id, slug) VALUES (@id, 'noisy')");
        command.Parameters.AddWithValue("id", tenant);
        await command.ExecuteNonQueryAsync(cancellationToken);
        var options = Options.Create(new TenancyOptions { KeyPepper = TenancyOptions.DevelopmentPepper });
        var key = ApiKey.Create(live: false);
        await new ApiKeyStore(stack.Database, options, TimeProvider.System).AddAsync(key, tenant, "noisy", ["*"], cancellationToken);
        return key.Text;
    }

    private static Task<long> LeftAsync(BenchStack stack, CancellationToken cancellationToken) =>
        stack.ScalarAsync<long>("SELECT count(*) FROM jobs WHERE status = 1", cancellationToken);

    /// <returns>Milliseconds from acceptance to start.</returns>
    private static async Task<Dictionary<Guid, double>> WaitsAsync(BenchStack stack, Guid[] ids, CancellationToken cancellationToken)
    {
        await stack.WaitUntilAsync(
            $"SELECT count(*) FROM jobs WHERE started_at IS NOT NULL AND id = ANY ('{{{string.Join(',', ids)}}}')",
            ids.Length,
            TimeSpan.FromMinutes(1),
            cancellationToken
        );
        await using var command = stack.Database.CreateCommand(
            "SELECT id, extract(epoch FROM started_at - created_at)::float8 * 1000 FROM jobs WHERE id = ANY (@ids)"
        );
        command.Parameters.AddWithValue("ids", ids);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var waits = new Dictionary<Guid, double>();
        while (await reader.ReadAsync(cancellationToken))
        {
            waits[reader.GetGuid(0)] = reader.GetDouble(1);
        }

        return waits;
    }
}
