using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using AiBackend.Bench.Reporting;
using AiBackend.Bench.Scenarios;

namespace AiBackend.Bench;

/// <summary>The command line: one command a workload.</summary>
internal static class BenchCommands
{
    private const int MostStreams = 100_000;

    private static readonly Option<int> Runs = new("--runs")
    {
        Description = "How often each workload is run; the table shows the median.",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<FileInfo?> Json = new("--json") { Description = "Also write every measurement to this file." };

    private static readonly Option<string?> Postgres = new("--postgres")
    {
        Description =
            "Connection string of an existing Postgres to use instead of a server of our own. Each round makes a database there and drops it.",
    };

    private static readonly Option<string?> Redis = new("--redis")
    {
        Description = "host:port of an existing Redis to use instead of a server of our own. Its keys begin with bench-.",
    };

    private static readonly Option<int> Seconds = new("--seconds")
    {
        Description = "Length of the timed part of submit, latency, chaos, noisy, failover and retries.",
        DefaultValueFactory = _ => 10,
    };

    private static readonly Option<int> Jobs = new("--jobs")
    {
        Description = "Jobs of drain (default 20 000), llm (2 000), limits (2 000), overload (10 000) and scheduler (1 500).",
        DefaultValueFactory = _ => 0,
    };

    private static readonly Option<int> Streams = new("--streams")
    {
        Description = "Concurrent streams of llm-live and fanout, at least 1 and 2.",
        DefaultValueFactory = _ => 100,
    };

    private static readonly Option<int> Readers = new("--readers")
    {
        Description = "Readers of each stream of fanout.",
        DefaultValueFactory = _ => 10,
    };

    private static readonly Option<int> Rate = new("--rate")
    {
        Description = "Tokens a second of each stream of fanout, 1 to 1000.",
        DefaultValueFactory = _ => 20,
    };

    private static readonly Option<int> Minute = new("--minute")
    {
        Description = "Seconds that the provider's minute has in limits.",
        DefaultValueFactory = _ => 10,
    };

    private static readonly Option<bool> Full = new("--full")
    {
        Description = "load: the whole times (20 min, 12 min, 3 min); pressure: also until everything has moved back (3 min more).",
    };

    private static readonly Option<string?> Portkey = new("--portkey")
    {
        Description =
            "proxy: address of a running Portkey gateway to measure beside ours (npx @portkey-ai/gateway --headless --port=8787), for example http://127.0.0.1:8787.",
    };

    public static RootCommand Root()
    {
        var root = new RootCommand(
            "Measures AiBackend. Every workload starts its own stack on loopback, runs for a bounded time beside its floor or baseline, and prints ratios; idle has none."
        );
        foreach (var option in new Option[] { Runs, Json, Postgres, Redis, Seconds, Jobs, Streams, Readers, Rate, Minute, Full, Portkey })
        {
            option.Recursive = true;
            root.Add(option);
        }

        AddBounds();
        root.Add(Command("submit", "64 connections POST small jobs, no workers.", SubmitScenario.RunAsync));
        root.Add(Command("latency", "100 jobs/s on an idle worker: time until the handler starts.", LatencyScenario.RunAsync));
        root.Add(Command("drain", "No-op jobs queued before the worker starts: outcomes recorded per second.", DrainScenario.RunAsync));
        root.Add(Command("llm", "Streamed model calls, 500 at a time, against the same calls without a queue.", LlmScenario.RunAsync));
        root.Add(Command("llm-live", "The same with a reader per job, against an endpoint that streams inline.", LlmLiveScenario.RunAsync));
        root.Add(Fanout());
        root.Add(Command("conversation", "How long a turn takes to begin in a thread of 200 messages.", ConversationScenario.RunAsync));
        root.Add(Command("idle", "Memory and CPU of the whole stack with nothing to do.", IdleScenario.RunAsync));
        root.Add(
            Command(
                "recovery",
                "Until the jobs of a killed worker run again, and until jobs start as usual after Redis died.",
                RecoveryScenario.RunAsync
            )
        );
        root.Add(
            Command("chaos", "The acknowledgement while one worker is killed every 5 s, against the quiet one.", ChaosScenario.RunAsync)
        );
        root.Add(Command("budget", "64 jobs of ten cents at once against a budget of a dollar: exactly ten run.", BudgetScenario.RunAsync));
        root.Add(
            Command(
                "limits",
                "Many jobs against few tokens a minute, time scaled, on three workers: what the provider saw.",
                LimitsScenario.RunAsync
            )
        );
        root.Add(
            Command(
                "scheduler",
                "Many short and few long jobs, of which only a feature hints at the length, against their order and an oracle.",
                SchedulerScenario.RunAsync
            )
        );
        root.Add(
            Command(
                "proxy",
                "Chat completions from a provider that answers at once: what /v1 adds, and how many a second it can.",
                ProxyScenario.RunAsync
            )
        );
        root.Add(Command("ways", "The calls that docs/choosing.md tells apart: until the answer, or until the id.", WaysScenario.RunAsync));
        AddUnderLoad(root);
        AddTroubleOfProviders(root);
        return root;
    }

    /// <summary>More than the system or a provider can do.</summary>
    private static void AddUnderLoad(RootCommand root)
    {
        root.Add(
            Command(
                "overload",
                "Ten times the callers a provider can serve, and the serving processes killed: beside an endpoint that calls it and waits.",
                OverloadScenario.RunAsync
            )
        );
        root.Add(Command("noisy", "A tenant's waits, alone and beside one that submits twenty times its share.", NoisyScenario.RunAsync));
        root.Add(
            new Command("load", "The expected load and more of it; says which criteria are reached, and ends with 1 when one is missed.")
            {
                Command("step", "Half, once, twice and three times the expected load (L-1).", LoadStepScenario.RunAsync),
                Command("knee", "Half as much again as can be done, after finding out how much that is (L-2).", LoadKneeScenario.RunAsync),
                Command("spike", "Ten times the expected load at once (L-3).", LoadSpikeScenario.RunAsync),
                Command("cap", "As many jobs wait as may: how soon more are refused (L-4).", LoadCapScenario.RunAsync),
            }
        );
        root.Add(
            Command(
                "pressure",
                "Five times the interactive jobs beside batch: how soon they are in time again, and where nothing moves for them.",
                PressureScenario.RunAsync
            )
        );
    }

    private static void AddTroubleOfProviders(RootCommand root)
    {
        root.Add(
            Command(
                "failover",
                "Every third stream of the first provider is cut: how much later its jobs end than without cuts.",
                FailoverScenario.RunAsync
            )
        );
        root.Add(
            Command(
                "retries",
                "Three times the usual load on a provider that is five times as slow and fails one call in twenty: what the repeats cost.",
                RetriesScenario.RunAsync
            )
        );
    }

    private static Command Fanout()
    {
        var fanout = Command(
            "fanout",
            "Many readers of each stream, and beside them 500 that read ten bytes a second.",
            FanoutScenario.RunAsync
        );
        // What one more reader needs is the difference between few streams and all.
        fanout.Validators.Add(Bound(Streams, 2, MostStreams));
        return fanout;
    }

    private static void AddBounds()
    {
        Streams.Validators.Add(Bound(Streams, 1, MostStreams));
        // A token has at least a millisecond.
        Rate.Validators.Add(Bound(Rate, 1, 1000));
    }

    private static Action<SymbolResult> Bound(Option<int> option, int least, int most) =>
        parsed =>
        {
            // What is no number is refused for that.
            if (
                parsed.GetResult(option) is { Tokens: [var given] }
                && int.TryParse(given.Value, CultureInfo.InvariantCulture, out var value)
                && (value < least || value > most)
            )
            {
                parsed.AddError(FormattableString.Invariant($"{option.Name} must be {least} to {most}, not {value}."));
            }
        };

    private static Command Command(string name, string help, Func<BenchOptions, CancellationToken, Task<IReadOnlyList<Measurement>>> run)
    {
        var command = new Command(name, help);
        command.SetAction(
            async (parsed, cancellationToken) =>
            {
                var options = new BenchOptions(
                    parsed.GetValue(Postgres),
                    parsed.GetValue(Redis),
                    TimeSpan.FromSeconds(parsed.GetValue(Seconds)),
                    parsed.GetValue(Jobs),
                    parsed.GetValue(Streams),
                    parsed.GetValue(Minute)
                )
                {
                    Readers = parsed.GetValue(Readers),
                    Rate = parsed.GetValue(Rate),
                    Full = parsed.GetValue(Full),
                    Portkey = parsed.GetValue(Portkey) is { } gateway ? new Uri(gateway) : null,
                };
                var measurements = new List<Measurement>();
                for (var round = 1; round <= parsed.GetValue(Runs); round++)
                {
                    measurements.AddRange(await run(options, cancellationToken));
                }

                ResultTable.Print(name, measurements);
                if (parsed.GetValue(Json) is { } file)
                {
                    await ResultFile.AppendAsync(file, name, measurements, cancellationToken);
                }

                return measurements.Exists(measured => measured.IsMissed) ? 1 : 0;
            }
        );
        return command;
    }
}

/// <summary>What the command line asked for.</summary>
internal sealed record BenchOptions(string? Postgres, string? Redis, TimeSpan Duration, int Jobs, int Streams, int MinuteSeconds)
{
    /// <summary>Readers of each stream.</summary>
    public int Readers { get; init; } = 10;

    /// <summary>Tokens a second of each stream.</summary>
    public int Rate { get; init; } = 20;

    /// <summary>The whole time of a scenario that has a short form.</summary>
    public bool Full { get; init; }

    /// <summary>A gateway to measure beside ours; null when there is none.</summary>
    public Uri? Portkey { get; init; }
}
