using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using AiBackend.Simulator;
using AiBackend.Simulator.Behaviours;
using AiBackend.Simulator.Streaming;
using AiBackend.Tests.Fixtures;
using Microsoft.Extensions.Options;

namespace AiBackend.Tests.Simulator;

/// <summary>Everything can be wished by model, by request and by configuration, and a wish that makes no sense is refused.</summary>
public sealed class SimulatorControlTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_header_changes_one_request_and_no_other()
    {
        var model = await simulator.ModelAsync(new { words = 1 });

        Assert.Equal("word1 word2", await TextAsync(model, ("x-sim-words", "2")));
        Assert.Equal("exactly this", await TextAsync(model, ("x-sim-text", "exactly this")));
        Assert.Equal("word1", await TextAsync(model));
    }

    [Theory]
    [InlineData("Production", true)]
    [InlineData("Staging", false)]
    public async Task D_2_A_71_a_provider_that_makes_its_answers_up_does_not_start_in_production(string environment, bool isRefused)
    {
        await using var app = SimulatorHost.Create(["--urls", "http://127.0.0.1:0", "--environment", environment]);

        var failure = await Record.ExceptionAsync(() => app.StartAsync(TestRun.Cancel));

        Assert.Equal(isRefused, failure is OptionsValidationException);
        Assert.Equal(isRefused, failure?.Message.Contains("does not run in Production", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public async Task Configuration_sets_a_models_behaviour_and_reset_returns_to_it()
    {
        await using var app = SimulatorHost.Create([
            "--urls",
            "http://127.0.0.1:0",
            "--Simulator:Behaviours:gpt-x:words",
            "2",
            "--Simulator:Behaviours:gpt-x:ttft_ms",
            "0",
        ]);
        var book = app.Services.GetRequiredService<BehaviourBook>();
        Assert.Equal(2, book.Find("gpt-x")!.Behaviour.Words);

        book.Set("gpt-x", new SimBehaviour { Words = 7 });
        book.Reset();

        Assert.Equal((2, TimeSpan.Zero), (book.Find("gpt-x")!.Behaviour.Words, book.Find("gpt-x")!.Behaviour.TimeToFirstToken));
    }

    [Theory]
    [InlineData("""{"speed":1}""", "There is no control 'speed'. Known: ttft_ms,")]
    [InlineData("""{"ttft_ms":-1}""", "ttft_ms cannot be '-1': a number from 0 to 3600000 is expected.")]
    [InlineData("""{"error_status":200}""", "error_status cannot be '200': a status from 300 to 599 is expected.")]
    [InlineData("""{"hang":"sometimes"}""", "hang cannot be 'sometimes': it is none of the known words.")]
    [InlineData("""{"malformed":"nonsense"}""", "malformed cannot be 'nonsense': there is no such case.")]
    [InlineData("""[]""", "")]
    public async Task An_impossible_wish_is_refused_with_what_is_possible(string wish, string message)
    {
        using var content = new StringContent(wish);
        using var response = await simulator.Http.PutAsync("/sim/behaviours/sim-x", content, TestRun.Cancel);

        Assert.Equal(400, (int)response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(TestRun.Cancel)).GetProperty("error");
        Assert.StartsWith(message, error.GetProperty("message").GetString());
    }

    [Fact]
    public async Task Its_controls_models_and_malformed_cases_are_listed()
    {
        foreach (var (list, least) in new[] { ("controls", 20), ("models", 10), ("malformed", 25) })
        {
            var all = await simulator.Http.GetFromJsonAsync<JsonElement>($"/sim/{list}", TestRun.Cancel);
            Assert.True(all.GetArrayLength() >= least, list);
            Assert.All(all.EnumerateArray(), each => Assert.NotEmpty(each.GetProperty("help").GetString()!));
        }
    }

    [Fact]
    public async Task Times_are_kept_and_late_tokens_catch_up()
    {
        var model = await simulator.ModelAsync(
            new
            {
                words = 30,
                ttft_ms = 100,
                interval_ms = 10,
            }
        );
        var watch = Stopwatch.StartNew();

        await TextAsync(model);

        // 100 ms to the first and 29 pauses; how late it may be depends on the machine.
        Assert.InRange(watch.Elapsed.TotalMilliseconds, 385, 30_000);
    }

    [Fact]
    public async Task Stamps_are_the_times_at_which_the_tokens_were_written()
    {
        var model = await simulator.ModelAsync(
            new
            {
                stamps = true,
                output_tokens = 20,
                interval_ms = 5,
            }
        );
        var before = TimeProvider.System.GetUtcNow();

        var stamps = (await TextAsync(model))
            .Trim()
            .Split(' ')
            .Select(stamp => DateTimeOffset.UnixEpoch.AddMicroseconds(long.Parse(stamp, CultureInfo.InvariantCulture)))
            .ToList();

        Assert.Equal(20, stamps.Count);
        Assert.Equal(stamps.Order(), stamps);
        Assert.InRange(stamps[0], before.AddMilliseconds(-1), TimeProvider.System.GetUtcNow());
        Assert.True(stamps[^1] - before >= TimeSpan.FromMilliseconds(90));
    }

    [Fact]
    public void Log_normal_times_have_the_wished_median_and_a_long_tail()
    {
        var behaviour = new SimBehaviour { TokenInterval = TimeSpan.FromMilliseconds(100), TokenIntervalSigma = 0.8 };

        var draws = Enumerable.Range(0, 4000).Select(_ => Timings.NextToken(behaviour).TotalMilliseconds).Order().ToList();

        Assert.InRange(draws[2000], 85, 115);
        Assert.InRange(draws[3960], 350, 1300);
        Assert.Equal(behaviour.TokenInterval, Timings.NextToken(behaviour with { TokenIntervalSigma = 0 }));
    }

    [Fact]
    public async Task Hundreds_of_streams_at_once_are_each_complete()
    {
        var model = await simulator.ModelAsync(new { words = 40, interval_ms = 5 });
        var expected = string.Join(' ', Enumerable.Range(1, 40).Select(i => $"word{i}"));

        var texts = await Task.WhenAll(Enumerable.Range(0, 300).Select(_ => TextAsync(model)));

        Assert.All(texts, text => Assert.Equal(expected, text));
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_up_nobody_else()
    {
        var flood = await simulator.ModelAsync(new { output_tokens = 10_000_000 });
        using var stuck = await PostAsync(flood, HttpCompletionOption.ResponseHeadersRead);

        var model = await simulator.ModelAsync(new { words = 20, interval_ms = 2 });
        Assert.EndsWith("word20", await TextAsync(model));
    }

    private async Task<string> TextAsync(string model, params (string Name, string Value)[] headers)
    {
        using var response = await PostAsync(model, HttpCompletionOption.ResponseContentRead, headers);
        var text = "";
        foreach (
            var line in (await response.Content.ReadAsStringAsync(TestRun.Cancel))
                .Split('\n')
                .Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
        )
        {
            using var chunk = JsonDocument.Parse(line["data: ".Length..]);
            text += chunk.RootElement.GetProperty("choices")[0].GetProperty("delta").TryGetProperty("content", out var content)
                ? content.GetString()
                : "";
        }

        return text;
    }

    private async Task<HttpResponseMessage> PostAsync(
        string model,
        HttpCompletionOption completion,
        params (string Name, string Value)[] headers
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = JsonContent.Create(
                new
                {
                    model,
                    stream = true,
                    messages = new[] { new { role = "user", content = "?" } },
                }
            ),
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await simulator.Http.SendAsync(request, completion, TestRun.Cancel);
    }
}
