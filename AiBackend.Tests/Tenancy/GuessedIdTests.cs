using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using AiBackend.Api.Auth.Limits;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Tenancy;

/// <summary>Who has ids of his own from the same moment, and guesses at those beside them.</summary>
public sealed class GuessedIdTests(PostgresServer postgres)
{
    private const int RandomBits = 62;

    /// <summary>A door, with how it writes the id.</summary>
    private static readonly (HttpMethod Method, Func<Guid, string> Address)[] Doors =
    [
        (HttpMethod.Get, id => $"/api/v1/jobs/{id}"),
        (HttpMethod.Get, id => $"/api/v1/jobs/{id}/events?after=0"),
        (HttpMethod.Post, id => $"/api/v1/jobs/{id}/cancel"),
        (HttpMethod.Delete, id => $"/api/v1/jobs/{id}"),
        (HttpMethod.Get, id => $"/v1/responses/resp_{id:N}"),
        (HttpMethod.Get, id => $"/v1/responses/resp_{id:N}?stream=true&starting_after=0"),
        (HttpMethod.Post, id => $"/v1/responses/resp_{id:N}/cancel"),
    ];

    [Fact]
    public Task A_6_of_three_thousand_ids_beside_another_tenant_s_none_is_told_apart_and_the_rest_is_throttled() =>
        GuessAsync(tries: 3_000, lookedAt: 2_500);

    [Fact]
    [Trait("Category", "Long")]
    public Task A_6_of_ten_thousand_ids_beside_another_tenant_s_none_is_told_apart_and_the_rest_is_throttled() =>
        GuessAsync(tries: 10_000, lookedAt: 9_000);

    private async Task GuessAsync(int tries, int lookedAt)
    {
        await using var api = new GuessedServer(postgres, lookedAt);
        await api.InitializeAsync();
        using var guesser = api.Client(await api.AddTenantAsync());
        var (theirs, own) = (new List<Job>(), new HashSet<Guid>());
        for (var i = 0; i < 20; i++)
        {
            var both = await Task.WhenAll(api.SubmitAsync(), SubmitAsync(guesser));
            theirs.Add(both[0]);
            own.Add(both[1].Id);
        }

        var seed = RandomNumberGenerator.GetInt32(int.MaxValue);
        var random = new Random(seed);
        var answers = new ConcurrentBag<(int Door, HttpStatusCode Status, string Text)>();
        var guesses = Enumerable
            .Range(0, tries)
            .Select(n => (Number: n, Id: Beside(theirs[n % theirs.Count].Id, n / theirs.Count, random)))
            // Its own are found, by it.
            .Where(guess => !own.Contains(guess.Id))
            .ToList();

        await Parallel.ForEachAsync(
            guesses,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestRun.Cancel },
            async (guess, cancellationToken) =>
            {
                var (door, text) = (guess.Number % Doors.Length, guess.Id.ToString());
                using var request = new HttpRequestMessage(Doors[door].Method, Doors[door].Address(guess.Id));
                using var response = await guesser.SendAsync(request, cancellationToken);
                var body = await response.Content.ReadAsStringAsync(cancellationToken);
                body = Regex.Replace(body, "\"trace_id\":\"[0-9a-f]{32}\"", "").Replace(text, "ID", StringComparison.Ordinal);
                answers.Add((door, response.StatusCode, body.Replace($"{guess.Id:N}", "ID", StringComparison.Ordinal)));
            }
        );

        var unknown = answers.Where(answer => answer.Status == HttpStatusCode.NotFound).ToList();
        Assert.True(unknown.Count == lookedAt, $"{unknown.Count} were looked at, seed {seed}");
        Assert.Equal(guesses.Count - lookedAt, answers.Count(answer => answer.Status == HttpStatusCode.TooManyRequests));
        foreach (var door in unknown.GroupBy(answer => answer.Door, answer => answer.Text))
        {
            Assert.Single(door.Distinct(StringComparer.Ordinal));
        }

        Assert.Equal(Doors.Length, unknown.Select(answer => answer.Door).Distinct().Count());
        foreach (var job in theirs)
        {
            Assert.Equal(JobStatuses.Queued, (await api.GetJobAsync(job.Id)).Status);
        }
    }

    /// <summary>The id itself, its neighbours, those that differ in one bit of what is random, those of the same moment, and those that count from 1.</summary>
    private static Guid Beside(Guid id, int n, Random random)
    {
        Span<byte> bytes = stackalloc byte[16];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        var number = BinaryPrimitives.ReadUInt128BigEndian(bytes);
        if (n > 0)
        {
            var step = (UInt128)(1 + (n / 5));
            number = (n % 5) switch
            {
                0 => number + step,
                1 => number - step,
                2 => number ^ (UInt128.One << (n / 5 % RandomBits)),
                3 => (number >> RandomBits << RandomBits) | (UInt128)random.NextInt64(1L << RandomBits),
                // A millisecond more or less, and all else the same; or the first ids that a counter would give.
                _ when n % 2 == 0 => number + (step << 80),
                _ => ((UInt128)7 << 76) | (UInt128.One << 63) | step,
            };
        }

        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new Guid(bytes, bigEndian: true);
    }

    private static async Task<Job> SubmitAsync(HttpClient client)
    {
        using var response = await ApiServer.PostAsync(client, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
        return await ApiServer.ReadJobAsync(response);
    }

    /// <summary>With minutes that are over when the test says so, which is never.</summary>
    private sealed class GuessedServer(PostgresServer postgres, int most) : ApiServer(postgres)
    {
        private readonly FakeTime _clock = new();

        protected override void Add(IHostApplicationBuilder builder) =>
            builder.Services.AddSingleton(_ => new AttemptLimits(
                Options.Create(new AttemptOptions { UnknownObjectsPerMinute = most }),
                _clock
            ));
    }
}
