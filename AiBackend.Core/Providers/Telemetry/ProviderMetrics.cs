using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Names = AiBackend.Core.Providers.Telemetry.ProviderTelemetryNames;

namespace AiBackend.Core.Providers.Telemetry;

/// <summary>Measurements of provider calls. Tags are closed sets: provider, configured model, kind of error.</summary>
internal sealed class ProviderMetrics
{
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _firstText;
    private readonly Histogram<long> _tokens;
    private readonly Counter<long> _failovers;
    private readonly Counter<long> _resumptions;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _refusedRetries;
    private readonly Counter<long> _limited;
    private readonly Counter<long> _switches;
    private readonly Counter<long> _disputed;
    private readonly Counter<long> _late;
    private readonly Counter<long> _overbilled;
    private readonly Counter<long> _refusedTools;
    private readonly Meter _meter;

    public ProviderMetrics(IMeterFactory meters)
    {
        var meter = _meter = meters.Create(Names.Source);
        _duration = Duration(meter);
        _firstText = FirstTextTime(meter);
        _tokens = meter.CreateHistogram<long>(
            "gen_ai.client.token.usage",
            unit: "{token}",
            description: "Tokens read and written, as the provider reported them.",
            advice: new() { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304] }
        );
        _refusedTools = meter.CreateCounter<long>(
            "aibackend.provider.tools_refused",
            unit: "{call}",
            description: "Answers that called a tool which their model was not offered: nothing was called."
        );
        _failovers = meter.CreateCounter<long>(
            "aibackend.provider.failovers",
            unit: "{failover}",
            description: "Calls that failed and were followed by one to the next deployment, or to the same again."
        );
        _resumptions = meter.CreateCounter<long>(
            "aibackend.provider.resumptions",
            unit: "{answer}",
            description: "Answers that broke off after text and were begun anew, or continued, by another call."
        );
        _retries = meter.CreateCounter<long>(
            "aibackend.provider.retries",
            unit: "{call}",
            description: "Calls for work that had failed before, at this provider or another."
        );
        _refusedRetries = meter.CreateCounter<long>("aibackend.provider.retries_refused", "{call}", "Calls beyond the retry budget.");
        _limited = meter.CreateCounter<long>("aibackend.provider.limited", "{call}", "Calls not made because a limit was used up.");
        _switches = meter.CreateCounter<long>("aibackend.provider.switches", "{call}", "Calls of a route's faster or longer model.");
        _disputed = meter.CreateCounter<long>("aibackend.provider.usage_disputed", "{call}", "Calls with a usage that cannot be true.");
        _late = meter.CreateCounter<long>("aibackend.provider.late", "{call}", "Calls counted anew because they were sent late.");
        _overbilled = meter.CreateCounter<long>(
            "aibackend.provider.overbilled",
            unit: "{call}",
            description: "Calls billed for a longer answer than they were allowed."
        );
    }

    /// <summary>For what a part of this feature measures itself.</summary>
    public Meter Meter => _meter;

    public void Retry(string provider, bool refused) =>
        (refused ? _refusedRetries : _retries).Add(1, new KeyValuePair<string, object?>(Names.Provider, provider));

    public void Limited(string provider, string limit) =>
        _limited.Add(1, new KeyValuePair<string, object?>(Names.Provider, provider), new KeyValuePair<string, object?>("limit", limit));

    public void Disputed(string provider, string model) => _disputed.Add(1, new(Names.Provider, provider), new(Names.RequestModel, model));

    public void Late(string provider, string model) => _late.Add(1, new(Names.Provider, provider), new(Names.RequestModel, model));

    public void Overbilled(string provider, string model) =>
        _overbilled.Add(1, new(Names.Provider, provider), new(Names.RequestModel, model));

    public void ToolRefused(string provider, string model) =>
        _refusedTools.Add(1, new(Names.Provider, provider), new(Names.RequestModel, model));

    public void Switched(string provider, string model, string reason) =>
        _switches.Add(1, new(Names.Provider, provider), new(Names.RequestModel, model), new("reason", reason));

    public void ObserveRetryBudgets(Func<IEnumerable<(string Provider, double Left)>> read) =>
        _meter.CreateObservableGauge(
            "aibackend.provider.retry_budget",
            () =>
                read().Select(each => new Measurement<double>(each.Left, new KeyValuePair<string, object?>(Names.Provider, each.Provider))),
            "{call}",
            "Retries that the provider would still get from this process now."
        );

    public void FirstText(string provider, string model, TimeSpan time) =>
        _firstText.Record(time.TotalSeconds, Tags(provider, model, null));

    public void Ended(string provider, string model, string? modelVersion, TimeSpan time, UsageDetails? usage, string? error) =>
        Ended(Tags(provider, model, modelVersion), time, usage, error);

    /// <summary>The same for a call that is no chat.</summary>
    public void Ended(
        string operation,
        ChatDeployment deployment,
        string? modelVersion,
        TimeSpan time,
        UsageDetails? usage,
        string? error
    ) => Ended(Tags(deployment.Provider, deployment.Model, modelVersion, operation), time, usage, error);

    private void Ended(TagList tags, TimeSpan time, UsageDetails? usage, string? error)
    {
        if (usage is { InputTokenCount: { } input })
        {
            _tokens.Record(input, [.. tags, new(Names.TokenType, "input")]);
        }

        if (usage is { InputTokenCount: not null, OutputTokenCount: { } output })
        {
            _tokens.Record(output, [.. tags, new(Names.TokenType, "output")]);
        }

        if (error is not null)
        {
            tags.Add(Names.ErrorType, error);
        }

        _duration.Record(time.TotalSeconds, tags);
    }

    public void FailedOver(string from, string to, string code) =>
        _failovers.Add(1, new(Names.Provider, from), new("aibackend.provider.to", to), new(Names.ErrorType, code));

    public void Resumed(string from, string to, string code, string how) =>
        _resumptions.Add(
            1,
            [
                new(Names.Provider, from),
                new("aibackend.provider.to", to),
                new(Names.ErrorType, code),
                new("aibackend.provider.resumption", how),
            ]
        );

    private static Histogram<double> Duration(Meter meter) =>
        meter.CreateHistogram<double>(
            "gen_ai.client.operation.duration",
            unit: "s",
            description: "Time of one provider call, from request to last token.",
            advice: new()
            {
                HistogramBucketBoundaries =
                [
                    0.01,
                    0.02,
                    0.04,
                    0.08,
                    0.16,
                    0.32,
                    0.64,
                    1.28,
                    2.56,
                    5.12,
                    10.24,
                    20.48,
                    40.96,
                    81.92,
                    163.84,
                    327.68,
                ],
            }
        );

    private static Histogram<double> FirstTextTime(Meter meter) =>
        meter.CreateHistogram<double>(
            "gen_ai.client.operation.time_to_first_chunk",
            unit: "s",
            description: "Time from the request to the first text.",
            advice: new()
            {
                HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60],
            }
        );

    private static TagList Tags(string provider, string model, string? modelVersion, string operation = Names.Chat)
    {
        var tags = new TagList
        {
            { Names.Operation, operation },
            { Names.Provider, provider },
            { Names.RequestModel, model },
        };
        if (modelVersion is not null)
        {
            tags.Add(Names.ResponseModel, modelVersion);
        }

        return tags;
    }
}
