using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using AiBackend.Tests.Simulator;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Providers;

/// <summary>Every provider call leaves a span and measurements with the names of the conventions, and no content.</summary>
public sealed class ProviderTelemetryTests(SimulatorServer simulator) : IClassFixture<SimulatorServer>
{
    [Fact]
    public async Task A_call_leaves_a_span_that_says_who_what_and_how_much()
    {
        var model = await simulator.ModelAsync(new { words = 4 });
        using var providers = ProviderHost.For(model, simulator.Address);
        using var spans = new Spans($"chat {model}");

        await providers.StreamAsync(options: new ChatOptions { MaxOutputTokens = 4 }).ReadAllAsync();

        var span = Assert.Single(spans.Ended);
        Assert.Equal(ActivityKind.Client, span.Kind);
        Assert.Equal("chat", span.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("p0", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal(model, span.GetTagItem("gen_ai.request.model"));
        Assert.Equal(model, span.GetTagItem("gen_ai.response.model"));
        Assert.Equal(4, span.GetTagItem("gen_ai.request.max_tokens"));
        Assert.Equal(4L, span.GetTagItem("gen_ai.usage.output_tokens"));
        Assert.Equal(new[] { "stop" }, span.GetTagItem("gen_ai.response.finish_reasons"));
        Assert.Equal("127.0.0.1", span.GetTagItem("server.address"));
        Assert.Null(span.GetTagItem("error.type"));
        var everything = string.Join('\n', span.TagObjects.Select(tag => $"{tag.Key}={tag.Value}"));
        Assert.DoesNotContain("word1", everything, StringComparison.Ordinal);
        Assert.DoesNotContain("sky", everything, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-", everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_call_says_why_in_the_span_and_in_the_duration()
    {
        var model = await simulator.ModelAsync(new { error_rate = 1, error_status = 503 });
        using var providers = ProviderHost.For(model, simulator.Address);
        using var spans = new Spans($"chat {model}");
        using var measured = new Measured(providers, model);

        await Failure.OfAsync(providers.StreamAsync());

        var span = Assert.Single(spans.Ended);
        Assert.Equal((ActivityStatusCode.Error, "provider_unavailable"), (span.Status, span.GetTagItem("error.type")));
        var (_, tags) = Assert.Single(measured.Of("gen_ai.client.operation.duration"));
        Assert.Equal("provider_unavailable", tags["error.type"]);
        Assert.Empty(measured.Of("gen_ai.client.operation.time_to_first_chunk"));
    }

    [Fact]
    public async Task A_call_is_measured_in_seconds_and_tokens()
    {
        var model = await simulator.ModelAsync(new { words = 4, ttft_ms = 60 });
        using var providers = ProviderHost.For(model, simulator.Address);
        using var measured = new Measured(providers, model);

        await providers.StreamAsync().ReadAllAsync();

        Assert.InRange(Assert.Single(measured.Of("gen_ai.client.operation.time_to_first_chunk")).Value, 0.05, 10);
        Assert.InRange(Assert.Single(measured.Of("gen_ai.client.operation.duration")).Value, 0.05, 10);
        Assert.Equal(
            ["input", "output"],
            measured.Of("gen_ai.client.token.usage").Select(each => each.Tags["gen_ai.token.type"]!.ToString()!).Order()
        );
    }

    private sealed class Spans : IDisposable
    {
        private readonly ActivityListener _listener;

        public Spans(string name)
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = source => source.Name == "AiBackend.Providers",
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
                ActivityStopped = activity =>
                {
                    // Other tests run beside this one.
                    if (activity.DisplayName == name)
                    {
                        Ended.Enqueue(activity);
                    }
                },
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public ConcurrentQueue<Activity> Ended { get; } = new();

        public void Dispose() => _listener.Dispose();
    }

    private sealed class Measured : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<(string Name, double Value, Dictionary<string, object?> Tags)> _all = new();

        public Measured(ProviderHost providers, string model)
        {
            _ = providers.Chat;
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "AiBackend.Providers")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags, model));
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags, model));
            _listener.Start();
        }

        public IReadOnlyList<(double Value, Dictionary<string, object?> Tags)> Of(string name) =>
            [.. _all.Where(each => each.Name == name).Select(each => (each.Value, each.Tags))];

        public void Dispose() => _listener.Dispose();

        private void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, string model)
        {
            var known = new Dictionary<string, object?>(tags.ToArray());
            if (Equals(known.GetValueOrDefault("gen_ai.request.model"), model))
            {
                _all.Enqueue((instrument.Name, value, known));
            }
        }
    }
}
