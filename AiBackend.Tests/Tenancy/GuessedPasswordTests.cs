using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiBackend.Api.Auth.Limits;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Web;
using Microsoft.Extensions.Options;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Tenancy;

/// <summary>Who guesses passwords, from one place or from many, of one user or of many.</summary>
public sealed class GuessedPasswordTests(PostgresServer postgres)
{
    private const string Password = "correct horse battery";
    private const int Guesses = 1000;

    // As documented.
    private const int OfUser = 5;
    private const int OfAddress = 20;
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);

    [Fact]
    public void A_13_a_user_who_is_guessed_at_from_a_thousand_places_is_made_slower_by_two_seconds_and_refused_nowhere_new()
    {
        var clock = new FakeTime();
        var limits = new AttemptLimits(Options.Create(new AttemptOptions()), clock);

        for (var guess = 0; guess < Guesses; guess++)
        {
            var place = PlaceOf(guess / OfUser);
            Assert.Null(limits.RefuseSignIn(place, "ada"));
            Assert.Equal(guess < OfAddress ? TimeSpan.Zero : Delay, limits.DelayOf("ada"));
            limits.CountSignIn(place, "ada");
        }

        Assert.NotNull(limits.RefuseSignIn(PlaceOf(0), "ada"));
        Assert.Null(limits.RefuseSignIn(PlaceOf(0), "bob"));
        Assert.Null(limits.RefuseSignIn(PlaceOf(Guesses), "ada"));
        Assert.Equal(TimeSpan.Zero, limits.DelayOf("bob"));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(limits.RefuseSignIn(PlaceOf(0), "ada"));
        Assert.Equal(TimeSpan.Zero, limits.DelayOf("ada"));
    }

    [Fact]
    public void A_13_a_place_that_guesses_at_a_thousand_users_is_refused_for_all_of_them_and_no_user_is_made_slower()
    {
        var clock = new FakeTime();
        var limits = new AttemptLimits(Options.Create(new AttemptOptions()), clock);

        for (var guess = 0; guess < Guesses; guess++)
        {
            var user = guess.ToString(CultureInfo.InvariantCulture);
            Assert.Equal(guess >= OfAddress, limits.RefuseSignIn(PlaceOf(0), user) is not null);
            limits.CountSignIn(PlaceOf(0), user);
            Assert.Equal(TimeSpan.Zero, limits.DelayOf(user));
        }

        Assert.Null(limits.RefuseSignIn(PlaceOf(1), "0"));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(limits.RefuseSignIn(PlaceOf(0), "0"));
    }

    [Fact]
    public void A_6_of_guesses_at_the_same_moment_none_goes_uncounted()
    {
        var limits = new AttemptLimits(Options.Create(new AttemptOptions { UnknownObjectsPerMinute = 7 }), new FakeTime());

        for (var key = 0; key < 1000; key++)
        {
            var refused = 0;
            Parallel.For(0, 8, _ => Interlocked.Add(ref refused, limits.CountUnknown($"{key}") is null ? 0 : 1));
            Assert.Equal(1, refused);
        }
    }

    [Fact]
    public async Task A_13_of_a_thousand_guesses_a_hundred_are_looked_at_all_are_answered_alike_and_the_user_signs_in_elsewhere()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        string[] users = ["ada@example.com", "bob@example.com", "nobody@example.com", "no.one@example.com"];
        await AddUserAsync(api, users[0]);
        await AddUserAsync(api, users[1]);
        using var stranger = api.Client(null);
        // Each from a place of its own: what is compared is how long a look takes, of which the fastest of some says most.
        var (known, unknown) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        for (var i = 0; i < OfUser; i++)
        {
            known = await FastestAsync(known, users[0], 100 + i);
            unknown = await FastestAsync(unknown, users[2], 200 + i);
        }

        const int Places = 5;
        var answers = new ConcurrentBag<(int Place, string User, HttpStatusCode Status, string Text)>();
        await Parallel.ForAsync(
            0,
            Guesses,
            new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = TestRun.Cancel },
            async (guess, _) =>
            {
                var (place, user) = (guess % Places, users[guess / Places % users.Length]);
                var (status, text) = await SignInAsync(stranger, PlaceOf(place), user, $"guess number {guess}");
                answers.Add((place, user, status, text));
            }
        );

        Assert.Equal(Guesses, answers.Count);
        var looked = answers.Where(answer => answer.Status == HttpStatusCode.Unauthorized).ToList();
        // Two are looked at at once, so one more may be on its way when the last one is counted.
        Assert.InRange(looked.Count, Places * OfAddress, Places * (OfAddress + 1));
        Assert.All(looked.CountBy(answer => (answer.Place, answer.User)), pair => Assert.InRange(pair.Value, 1, OfUser + 1));
        Assert.Single(looked.Select(answer => answer.Text).Distinct(StringComparer.Ordinal));
        var refused = answers.Where(answer => answer.Status == HttpStatusCode.TooManyRequests).ToList();
        Assert.Equal(Guesses, looked.Count + refused.Count);
        Assert.Single(refused.Select(answer => answer.Text).Distinct(StringComparer.Ordinal));
        // Without a look at a hash one of them would take a hundredth.
        Assert.True(known < unknown * 10 && unknown < known * 10, $"A look takes {known} for a user and {unknown} for nobody.");

        var watch = Stopwatch.StartNew();
        var elsewhere = await SignInAsync(stranger, PlaceOf(300), users[0], Password);
        Assert.Equal(HttpStatusCode.Created, elsewhere.Status);
        // Slower, as timers have it, and no more than that.
        Assert.InRange(watch.Elapsed, Delay * 0.9, Delay + TimeSpan.FromSeconds(20));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await SignInAsync(stranger, PlaceOf(0), users[0], Password)).Status);
        api.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.Created, (await SignInAsync(stranger, PlaceOf(0), users[0], Password)).Status);

        async Task<TimeSpan> FastestAsync(TimeSpan fastest, string user, int place)
        {
            var look = Stopwatch.StartNew();
            Assert.Equal(HttpStatusCode.Unauthorized, (await SignInAsync(stranger, PlaceOf(place), user, "not the password")).Status);
            return look.Elapsed < fastest ? look.Elapsed : fastest;
        }
    }

    [Fact]
    public async Task A_13_who_guesses_at_the_site_keeps_nobody_else_from_signing_in_there()
    {
        await using var api = new GuessedServer(postgres);
        await api.InitializeAsync();
        await AddUserAsync(api, "ada@example.com");
        using var site = await SiteProcess.StartAsync("Production", api.Address, variables: [("Proxies__0", "127.0.0.0/8")]);
        var guesses = new List<HttpStatusCode>();
        for (var guess = 0; guess < OfAddress + 2; guess++)
        {
            guesses.Add(await SendFormAsync(site, PlaceOf(1), $"user{guess}@example.com"));
        }

        Assert.All(guesses, status => Assert.Equal(HttpStatusCode.Unauthorized, status));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendFormAsync(site, PlaceOf(1), "ada@example.com"));
        Assert.Equal(HttpStatusCode.Redirect, await SendFormAsync(site, PlaceOf(2), "ada@example.com"));
    }

    /// <summary>Signs in at the site, from behind its proxy.</summary>
    private static async Task<HttpStatusCode> SendFormAsync(SiteProcess site, IPAddress from, string email)
    {
        site.Http.DefaultRequestHeaders.Remove("X-Forwarded-For");
        site.Http.DefaultRequestHeaders.Add("X-Forwarded-For", from.ToString());
        return (
            await SignInTests.SendFormAsync(site.Http, "/sign-in", "/account/sign-in", [("email", email), ("password", Password)])
        ).Status;
    }

    private static IPAddress PlaceOf(int number) => new([198, 18, (byte)(number / 250), (byte)(1 + (number % 250))]);

    private static async Task AddUserAsync(ApiServer api, string email)
    {
        var body = JsonSerializer.Serialize(
            new
            {
                email,
                role = "admin",
                password = Password,
            }
        );
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(api.Http, HttpMethod.Post, "/api/v1/users", body)).Status);
    }

    /// <returns>What it was told, but for what names the request.</returns>
    private static async Task<(HttpStatusCode Status, string Text)> SignInAsync(
        HttpClient client,
        IPAddress from,
        string email,
        string password
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/sessions");
        request.Headers.Add("X-Forwarded-For", from.ToString());
        request.Content = new StringContent(JsonSerializer.Serialize(new { email, password }), Encoding.UTF8, "application/json");
        using var response = await client.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        return (response.StatusCode, Regex.Replace(text, "\"trace_id\":\"[0-9a-f]{32}\"", ""));
    }

    /// <summary>Behind a proxy, and with minutes that are over when the test says so.</summary>
    private sealed class GuessedServer(PostgresServer postgres) : ApiServer(postgres)
    {
        public FakeTime Clock { get; } = new();

        protected override IEnumerable<(string Name, string Value)> Settings => [("Proxies:0", "127.0.0.0/8")];

        protected override void Add(IHostApplicationBuilder builder) =>
            builder.Services.AddSingleton(services => new AttemptLimits(services.GetRequiredService<IOptions<AttemptOptions>>(), Clock));
    }
}
