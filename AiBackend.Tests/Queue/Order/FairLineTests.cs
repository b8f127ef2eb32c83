using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

public sealed class FairLineTests
{
    private readonly FairLine _line = Line.New();

    [Fact]
    public void The_urgent_go_first_and_among_equals_the_oldest()
    {
        var batch = Line.Job(level: JobPriority.Batch);
        var standard = Line.Job();
        var older = Line.Job(level: JobPriority.Interactive);
        var newer = Line.Job(level: JobPriority.Interactive);

        Assert.Equal([older, newer, standard, batch], _line.Pick([batch, newer, standard, older], Capacity.Unknown, 10));
    }

    [Fact]
    public void I_15_a_tenant_with_a_long_line_does_not_keep_another_waiting()
    {
        var flood = Enumerable.Range(0, 100).Select(_ => Line.Job(tenant: 1)).ToList();
        _line.Pick(flood, Capacity.Unknown, 50);
        var one = Line.Job(tenant: 2);

        Assert.Equal(one, Assert.Single(_line.Pick([.. flood.Skip(50), one], Capacity.Unknown, 1)));
    }

    [Fact]
    public void Shares_are_counted_in_tokens_and_weighted_by_tier()
    {
        var small = Enumerable.Range(0, 400).Select(_ => Line.Job(tenant: 1, tokens: 100)).ToList();
        var large = Enumerable.Range(0, 400).Select(_ => Line.Job(tenant: 2, tokens: 1000)).ToList();
        var heavy = Enumerable.Range(0, 400).Select(_ => Line.Job(tenant: 3, tokens: 500, weight: 2)).ToList();

        var picked = _line.Pick([.. small, .. large, .. heavy], Capacity.Unknown, 300);

        var tokens = picked.GroupBy(job => job.TenantId).ToDictionary(tenant => tenant.Key, tenant => tenant.Sum(job => job.Tokens));
        Assert.InRange(tokens[Line.Tenant(1)], tokens[Line.Tenant(2)] - 1000, tokens[Line.Tenant(2)] + 1000);
        Assert.InRange(tokens[Line.Tenant(3)], (2 * tokens[Line.Tenant(2)]) - 2000, (2 * tokens[Line.Tenant(2)]) + 2000);
    }

    [Fact]
    public void A_tenant_that_was_idle_has_saved_nothing_up()
    {
        _line.Pick([.. Enumerable.Range(0, 1000).Select(_ => Line.Job(tenant: 1))], Capacity.Unknown, 1000);

        var both = Enumerable.Range(0, 20).Select(number => Line.Job(tenant: 1 + (number % 2))).ToList();

        Assert.InRange(_line.Pick(both, Capacity.Unknown, 10).Count(job => job.TenantId == Line.Tenant(2)), 5, 6);
    }

    [Fact]
    public void Of_a_tenant_the_shortest_goes_first_until_another_has_waited_too_long()
    {
        var old = Line.Job(length: 13, waited: 301);
        var waiting = Line.Job(length: 13, waited: 10);
        var brief = Enumerable.Range(0, 8).Select(_ => Line.Job(length: 8)).ToList();
        _line.Pick([Line.Job(waited: 302)], Capacity.Unknown, 1);

        Assert.Equal([.. brief.Take(3), old, .. brief.Skip(3), waiting], _line.Pick([waiting, old, .. brief], Capacity.Unknown, 10));
    }

    [Fact]
    public void What_is_long_waits_for_one_of_the_slots_it_may_have_and_others_go_past_it()
    {
        var capacity = new Capacity
        {
            Running = [new(JobPriority.Standard, 13, 13, 6), new(JobPriority.Standard, 8, 8, 1)],
            LongFrom = 12,
            MostLong = 7,
        };
        Assert.Single(_line.Pick([Line.Job(length: 12), Line.Job(length: 13)], capacity, 10));
        var brief = Line.Job(tenant: 2, length: 8);

        Assert.Equal([brief], _line.Pick([Line.Job(length: 13), brief], capacity with { MostLong = 6 }, 10));
    }

    [Fact]
    public void What_is_long_waits_for_the_errors_of_others_no_longer_than_half_its_run()
    {
        var capacity = new Capacity
        {
            Running = [new(JobPriority.Standard, 13, 13, 6), new(JobPriority.Standard, 8, 13, 1)],
            LongFrom = 12,
            MostLong = 7,
        };
        Assert.Empty(_line.Pick([Line.Job(length: 13, waited: 4)], capacity, 10));

        Assert.Single(_line.Pick([Line.Job(length: 13, waited: 5), Line.Job(length: 13, waited: 5)], capacity, 10));
    }

    [Fact]
    public void Batch_has_its_least_before_anybody_else_and_no_more_than_its_most()
    {
        var urgent = Enumerable.Range(0, 3).Select(_ => Line.Job(level: JobPriority.Interactive)).ToList();
        var batch = Enumerable.Range(0, 3).Select(_ => Line.Job(level: JobPriority.Batch)).ToList();
        var capacity = new Capacity
        {
            Running = [new(JobPriority.Batch, 10, 10, 1)],
            LeastBatch = 2,
            MostBatch = 3,
        };

        Assert.Equal([batch[0], .. urgent, batch[1]], _line.Pick([.. batch, .. urgent], capacity, 10));
    }

    [Fact]
    public void Slots_that_are_kept_for_a_tenant_are_left_free_by_others_until_it_holds_them()
    {
        var flood = Enumerable.Range(0, 10).Select(_ => Line.Job(tenant: 1)).ToList();
        var own = Enumerable.Range(0, 3).Select(_ => Line.Job(tenant: 2)).ToList();
        var capacity = new Capacity
        {
            Running = [new(JobPriority.Standard, 10, 10, 1, Line.Tenant(2)), new(JobPriority.Standard, 10, 10, 2)],
            Free = 5,
            Reserved = new Dictionary<Guid, int> { [Line.Tenant(2)] = 3 },
            MostReserved = 4,
        };

        // One of its three is running: two stay free.
        Assert.Equal(flood.Take(3), _line.Pick(flood, capacity, 5));
        // Its own jobs have them, and what it takes beyond is shared like all others.
        var picked = _line.Pick([.. flood, .. own], capacity, 5);
        Assert.Equal((5, 3), (picked.Count, picked.Count(job => job.TenantId == Line.Tenant(2))));
        // However much is promised, others have the rest.
        Assert.Equal(4, _line.Pick(flood, capacity with { MostReserved = 2 }, 5).Count);
    }

    [Fact]
    public void Of_more_than_may_be_kept_nothing_stays_free_when_those_have_work_for_whom_it_is_kept()
    {
        var jobs = Enumerable.Range(0, 24).Select(each => Line.Job(tenant: 1 + (each % 3))).ToList();
        var capacity = new Capacity
        {
            Free = 4,
            Reserved = new Dictionary<Guid, int> { [Line.Tenant(1)] = 4, [Line.Tenant(2)] = 4 },
            MostReserved = 4,
        };

        var picked = _line.Pick(jobs, capacity, 4);

        Assert.Equal(4, picked.Count);
        Assert.DoesNotContain(picked, job => job.TenantId == Line.Tenant(3));
    }

    [Fact]
    public void What_is_kept_for_a_tenant_is_for_its_long_and_batch_jobs_too()
    {
        var batch = Enumerable.Range(0, 3).Select(_ => Line.Job(level: JobPriority.Batch, length: 13)).ToList();
        var capacity = new Capacity
        {
            LongFrom = 12,
            MostLong = 0,
            MostBatch = 0,
            Free = 4,
            Reserved = new Dictionary<Guid, int> { [Line.Tenant(1)] = 2 },
            MostReserved = 4,
        };

        Assert.Equal(batch.Take(2), _line.Pick(batch, capacity, 4));
    }
}
