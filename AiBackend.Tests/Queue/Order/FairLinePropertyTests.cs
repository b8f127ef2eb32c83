using AiBackend.Core.Jobs;
using AiBackend.Core.Queue.Order;

namespace AiBackend.Tests.Queue.Order;

/// <summary>Any arrivals: tenants of any weight with jobs of any size, in bursts and alone, on slots that are always busy.</summary>
public sealed class FairLinePropertyTests
{
    private const int Runs = 60;
    private const int Picks = 6000;
    private const int Largest = 8000;

    [Fact]
    public void P_13_tenants_that_always_have_work_get_their_shares_to_within_5_percent()
    {
        for (var seed = 1; seed <= Runs; seed++)
        {
            var random = new Random(seed);
            var tenants = Enumerable.Range(1, random.Next(2, 12)).Select(number => new Tenant(number, random)).ToList();
            // Others come and go; they take their share and nobody else's.
            var guests = Enumerable.Range(100, random.Next(0, 5)).Select(number => new Tenant(number, random)).ToList();
            var (line, waiting) = (Line.New(), new List<WaitingJob>());
            var served = tenants.ToDictionary(tenant => tenant.Id, _ => 0L);
            for (var picks = 0; picks < Picks; )
            {
                tenants.ForEach(tenant => tenant.FillUp(waiting, 8));
                guests.Where(_ => random.Next(20) == 0).ToList().ForEach(guest => guest.FillUp(waiting, random.Next(1, 4)));
                var next = line.Pick(waiting, Capacity.Unknown, random.Next(1, 6));
                picks += next.Count;
                foreach (var job in next)
                {
                    waiting.Remove(job);
                    if (served.ContainsKey(job.TenantId))
                    {
                        served[job.TenantId] += job.Tokens;
                    }
                }
            }

            var fair = served.Values.Sum() / (double)tenants.Sum(tenant => tenant.Weight);
            foreach (var tenant in tenants)
            {
                var error = Math.Abs((served[tenant.Id] / (fair * tenant.Weight)) - 1);
                // What one job alone can make of a small share is not an error of the long run.
                Assert.True(error <= 0.05 + (Largest / (fair * tenant.Weight)), $"Seed {seed}: {tenant} is off by {error:p}.");
            }
        }
    }

    [Fact]
    public void P_13_nothing_starves_whatever_its_priority_length_and_tenant()
    {
        for (var seed = 1; seed <= Runs; seed++)
        {
            var random = new Random(seed);
            var (line, waiting) = (Line.New(), new List<WaitingJob>());
            var victims = Enumerable
                .Range(1, 3)
                .Select(tenant => Line.Job(tenant, JobPriority.Batch, length: 20, tokens: Largest, waited: 301))
                .ToList();
            waiting.AddRange(victims);
            var picks = 0;
            while (victims.Exists(waiting.Contains))
            {
                // More urgent, shorter and smaller work never ends; some of it has grown old, too.
                waiting.AddRange(
                    Enumerable
                        .Range(0, 6)
                        .Select(_ =>
                            Line.Job(
                                random.Next(1, 5),
                                JobPriority.Interactive,
                                length: 1,
                                tokens: 10,
                                waited: random.Next(10) == 0 ? 300 : 0
                            )
                        )
                );
                var next = line.Pick(waiting, Capacity.Unknown, 5);
                picks += next.Count;
                next.ToList().ForEach(job => waiting.Remove(job));
                Assert.True(picks < 500, $"Seed {seed}: somebody still waits after {picks} others.");
            }
        }
    }

    private sealed class Tenant(int number, Random random)
    {
        private readonly int _largest = random.Next(10, Largest);

        public Guid Id => Line.Tenant(number);

        public int Weight { get; } = random.Next(1, 17);

        public void FillUp(List<WaitingJob> waiting, int count)
        {
            for (var has = waiting.Count(job => job.TenantId == Id); has < count; has++)
            {
                waiting.Add(Line.Job(number, length: (short)random.Next(0, 20), tokens: random.Next(1, _largest), weight: Weight));
            }
        }

        public override string ToString() => $"tenant {number} of weight {Weight}";
    }
}
