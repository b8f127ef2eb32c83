using AiBackend.Worker.Presence;

namespace AiBackend.Tests.Worker;

/// <summary>Who counts as gone: only whoever was there, is not, and does nothing.</summary>
public sealed class AbsencesTests
{
    private static readonly Guid Self = Guid.CreateVersion7();
    private static readonly Guid Other = Guid.CreateVersion7();
    private static readonly DateTimeOffset Seen = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Absences _absences = new(Self);
    private TimeSpan _now = TimeSpan.FromDays(1);

    [Fact]
    public void A_worker_that_held_its_lock_and_does_not_for_a_while_is_gone_once()
    {
        Assert.Empty(Look(present: true));
        Assert.Empty(Look(present: false));
        Assert.Empty(After(GoneWorkers.Patience / 2).Look(present: false));

        Assert.Equal([Other], After(GoneWorkers.Patience / 2).Look(present: false));
        Assert.Empty(After(GoneWorkers.Patience).Look(present: false));
    }

    [Fact]
    public void A_worker_that_was_never_seen_to_hold_a_lock_is_not()
    {
        Assert.Empty(Look(present: false));

        Assert.Empty(After(GoneWorkers.Patience).Look(present: false));
    }

    [Fact]
    public void A_worker_that_takes_its_lock_again_is_not()
    {
        Look(present: true);
        Look(present: false);
        After(GoneWorkers.Patience / 2).Look(present: true);

        Assert.Empty(After(GoneWorkers.Patience).Look(present: false));
        Assert.Equal([Other], After(GoneWorkers.Patience).Look(present: false));
    }

    [Fact]
    public void A_worker_that_renews_its_leases_without_its_lock_is_not()
    {
        Look(present: true);
        Look(present: false);

        Assert.Empty(After(GoneWorkers.Patience).Look(present: false, Seen.AddSeconds(3)));
        Assert.Empty(After(GoneWorkers.Patience).Look(present: false, Seen.AddSeconds(3)));
    }

    [Fact]
    public void Whoever_has_lost_its_own_lock_knows_nothing_of_the_others()
    {
        Look(present: true);
        Assert.Empty(_absences.Note([new(Self, false, Seen), new(Other, false, Seen)], _now));

        Look(present: false);
        Assert.Empty(After(GoneWorkers.Patience).Look(present: false));
    }

    [Fact]
    public void A_worker_that_said_that_it_stops_is_not()
    {
        Look(present: true);
        Look(present: false);
        _absences.Note([new(Self, true, Seen)], _now);

        Assert.Empty(After(GoneWorkers.Patience).Look(present: false));
    }

    private AbsencesTests After(TimeSpan time)
    {
        _now += time;
        return this;
    }

    private IReadOnlyList<Guid> Look(bool present, DateTimeOffset? lastSeenAt = null) =>
        _absences.Note([new(Self, true, Seen), new(Other, present, lastSeenAt ?? Seen)], _now);
}
