using System.Diagnostics.Metrics;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.Fixtures;
using AiBackend.Web.Api;
using AiBackend.Web.Runs;

namespace AiBackend.Tests.Web;

/// <summary>How a run is followed when the line to the Api is bad.</summary>
public sealed class RunFeedTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private ScriptedApi _api = null!;
    private IHost _host = null!;

    private RunFeeds Feeds => _host.Services.GetRequiredService<RunFeeds>();

    public async ValueTask InitializeAsync()
    {
        _api = await ScriptedApi.StartAsync();
        _host = Build(TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _host.Dispose();
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task What_was_written_before_and_after_the_reader_came_is_one_text()
    {
        _api.Add(new StateEvent(JobStatuses.Processing, 1), new DeltaEvent(1, "a "), new DeltaEvent(1, "b "));
        _api.Known = 2;
        _api.Finish("a b ");

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("a b ", await CompleteAsync(lease));
        Assert.Equal([2], _api.StreamedAfter);
    }

    [Fact]
    public async Task I_9_a_stream_that_breaks_after_every_event_loses_and_repeats_nothing()
    {
        var words = Enumerable.Range(1, 12).Select(at => $"word{at} ").ToList();
        words.ForEach(word => _api.Add(new DeltaEvent(1, word)));
        _api.Finish(string.Concat(words));
        for (var connection = 0; connection < 12; connection++)
        {
            _api.NextConnection(after => [after + 1]);
        }

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal(string.Concat(words), await CompleteAsync(lease));
        Assert.Equal(Enumerable.Range(0, 13), _api.StreamedAfter);
    }

    [Fact]
    public async Task A_gap_is_asked_for_again_from_the_last_number()
    {
        _api.Add(new DeltaEvent(1, "a"), new DeltaEvent(1, "b"), new DeltaEvent(1, "c"));
        _api.Finish("abc");
        _api.NextConnection(_ => [1, 3, 4]);

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("abc", await CompleteAsync(lease));
        Assert.Equal([0, 1], _api.StreamedAfter);
    }

    [Fact]
    public async Task Repeated_events_are_taken_once()
    {
        _api.Add(new DeltaEvent(1, "a"), new DeltaEvent(1, "b"));
        _api.Finish("ab");
        _api.NextConnection(_ => [1, 1, 2, 1, 2, 3]);

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("ab", await CompleteAsync(lease));
    }

    [Fact]
    public async Task An_event_of_a_later_version_is_stepped_over()
    {
        _api.Add(new DeltaEvent(1, "a"), "something new", new DeltaEvent(1, "b"));
        _api.Finish("ab");

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("ab", await CompleteAsync(lease));
    }

    [Fact]
    public async Task A_text_that_differs_from_the_stored_one_is_replaced_and_counted()
    {
        _api.Add(new DeltaEvent(1, "streamed"));
        _api.Finish("stored");
        var counted = 0L;
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Name is "ui_stream_mismatch_total")
            {
                self.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref counted, value));
        listener.Start();

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("stored", await CompleteAsync(lease));
        Assert.True(lease.Feed.Current.WasReplaced);
        Assert.Equal(1, Interlocked.Read(ref counted));
    }

    [Fact]
    public async Task The_result_of_a_run_of_a_workflow_which_nobody_streams_is_shown_as_it_is_stored_and_is_no_defect()
    {
        _api.Job = _api.Job with { Type = "workflow" };
        _api.Finish("stored");

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("stored", await CompleteAsync(lease));
        Assert.False(lease.Feed.Current.WasReplaced);
    }

    [Fact]
    public async Task U_21_a_text_is_called_complete_only_after_it_was_compared()
    {
        _api.Add(new DeltaEvent(1, "streamed"));
        _api.Finish("stored");
        _api.RefusalsAfterEnd = 1;

        using var lease = Feeds.Join(_api.Job.Id);

        Assert.Equal("stored", await CompleteAsync(lease));
        Assert.True(lease.Feed.Current.WasReplaced);
    }

    [Fact]
    public async Task A_defect_stays_in_sight_whatever_is_read_later_and_a_reload_follows_the_run_anew()
    {
        _api.Add(new DeltaEvent(1, "a"));
        _api.Finish("a");
        var end = _api.Log[1];
        _api.Log[1] = (end.Type, "{\"job\":null}");
        using var broken = Feeds.Join(_api.Job.Id);
        await ShowsAsync(broken, run => run.Failure?.Code is "defect");

        _api.Job = _api.Job with { Title = "Read after the defect" };
        broken.Feed.Refresh();
        var later = await ShowsAsync(broken, run => run.Job?.Title == _api.Job.Title);
        _api.Log[1] = end;
        using var reloaded = Feeds.Join(_api.Job.Id);

        Assert.Equal("defect", later.Failure?.Code);
        Assert.Equal("a", await CompleteAsync(reloaded));
        Assert.Null(reloaded.Feed.Current.Failure);
    }

    [Fact]
    public async Task A_refused_key_is_shown_and_tried_again()
    {
        _api.Add(new DeltaEvent(1, "a"));
        _api.Finish("a");
        _api.RefusesKey = true;

        using var lease = Feeds.Join(_api.Job.Id);
        await lease.Feed.WaitUntilReadyAsync(Patience, TestRun.Cancel);

        Assert.Equal("not_signed_in", lease.Feed.Current.Failure?.Code);
        _api.RefusesKey = false;
        Assert.Equal("a", await CompleteAsync(lease));
        Assert.Null(lease.Feed.Current.Failure);
    }

    [Fact]
    public async Task A_run_nobody_knows_is_said_to_be_unknown()
    {
        using var lease = Feeds.Join(Guid.CreateVersion7());

        await lease.Feed.WaitUntilReadyAsync(Patience, TestRun.Cancel);

        Assert.True(lease.Feed.Current.Failure?.IsNotFound);
    }

    [Fact]
    public async Task Everybody_who_watches_a_run_shares_one_stream()
    {
        _api.Add(new DeltaEvent(1, "a"));
        _api.Finish("a");

        using var one = Feeds.Join(_api.Job.Id);
        using var other = Feeds.Join(_api.Job.Id);

        Assert.Same(one.Feed, other.Feed);
        Assert.Equal("a", await CompleteAsync(other));
        Assert.Single(_api.StreamedAfter);
    }

    [Fact]
    public async Task A_page_that_loads_anew_finds_the_feed_its_predecessor_left()
    {
        _api.Add(new DeltaEvent(1, "a"));
        _api.Finish("a");
        RunFeed before;
        using (var lease = Feeds.Join(_api.Job.Id))
        {
            before = lease.Feed;
            await CompleteAsync(lease);
        }

        using var again = Feeds.Join(_api.Job.Id);

        Assert.Same(before, again.Feed);
    }

    [Fact]
    public void Of_two_who_leave_shortly_one_after_the_other_the_second_closes_nothing_that_is_newer()
    {
        var time = new FakeTime();
        using var host = Build(time);
        var feeds = host.Services.GetRequiredService<RunFeeds>();
        var (one, other) = (feeds.Join(_api.Job.Id), feeds.Join(_api.Job.Id));
        one.Dispose();
        time.Advance(TimeSpan.FromSeconds(1));
        other.Dispose();

        time.Advance(TimeSpan.FromSeconds(29));
        using var later = feeds.Join(_api.Job.Id);
        time.Advance(TimeSpan.FromSeconds(1));
        using var again = feeds.Join(_api.Job.Id);

        Assert.Same(later.Feed, again.Feed);
    }

    /// <summary>Waits for the end and gives the text on the page.</summary>
    private static async Task<string> CompleteAsync(RunLease lease)
    {
        await ShowsAsync(lease, run => run.Link.State is RunLinkState.Complete);
        return lease.Feed.Text;
    }

    private IHost Build(TimeProvider clock)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration["services:api:http:0"] = _api.Address.ToString();
        builder.Services.AddSingleton(clock);
        builder.AddApiClient();
        builder.AddRuns();
        return builder.Build();
    }

    private static async Task<RunView> ShowsAsync(RunLease lease, Func<RunView, bool> wanted)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(Patience);
        await foreach (var run in lease.Feed.WatchAsync(patience.Token))
        {
            if (wanted(run))
            {
                return run;
            }
        }

        throw new InvalidOperationException("The feed ended.");
    }
}
