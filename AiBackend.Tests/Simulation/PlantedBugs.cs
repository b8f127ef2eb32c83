using AiBackend.Core.Events;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>Mistakes that this kind of system is known for, each made on purpose; none is a switch in the product.</summary>
internal static class PlantedBugs
{
    public static Dictionary<string, SimulatedSystem> All { get; } =
        new(StringComparer.Ordinal)
        {
            // The event's number alone would still fence, so the mistake is to trust the status.
            ["a write is fenced by neither epoch nor number"] = Memory(world => new Unfenced(world)),
            ["a repeated write is not recognised"] = Memory(world => new Forgetful(world)),
            ["a claim does not look at the status"] = Memory(world => new GreedyClaim(world)),
            ["a renewal does not look at the epoch"] = Memory(world => new KindRenewal(world)),
            ["a rescue does not look again"] = Memory(world => new HastyRescue(world)),
            ["tries are not counted"] = Memory(world => new EndlessTries(world)),
            ["crashes are not counted"] = Memory(world => new EndlessCrashes(world)),
            ["a rescue does not reset what was streamed"] = Memory(world => new NoReset(world)),
            ["a cancel overwrites an outcome"] = Memory(world => new LateCancel(world)),
            ["a submit is acknowledged before its commit"] = Memory(world => new EarlyAnswer(world)),
            ["a used key is not looked up"] = Memory(world => new KeysIgnored(world)),
            ["a reader resumes with the event it has"] = Memory(world => new ResumeAtInsteadOfAfter(world)),
            ["an event is announced before its commit"] = Simulations.InMemory with
            {
                Edge = (world, process) => new EarlyAnnouncement(world, process),
            },
            ["a lost group is created at the end of the stream"] = Simulations.InMemory with { GroupFromEnd = true },
        };

    private static SimulatedSystem Memory(Func<World, MemoryStore> store) =>
        new() { Backend = world => Simulations.BackendOf(store(world)) };

    private sealed class Unfenced(World world) : MemoryStore(world)
    {
        protected override bool HoldsLease(JobRecord job, LeasedWrite write) => job.Status == JobStatus.Processing;

        protected override int NumberBefore(JobRecord job, LeasedWrite write) => job.LastSeq;
    }

    private sealed class Forgetful(World world) : MemoryStore(world)
    {
        protected override bool IsApplied(JobRecord job, LeasedWrite write) => false;

        protected override bool HoldsLease(JobRecord job, LeasedWrite write) =>
            job.Status == JobStatus.Processing && job.Epoch == write.Lease.Epoch;

        protected override int NumberBefore(JobRecord job, LeasedWrite write) => job.LastSeq;
    }

    private sealed class GreedyClaim(World world) : MemoryStore(world)
    {
        protected override bool MayBeClaimed(JobRecord job) => !job.Status.IsTerminal() && !job.CancelRequested;
    }

    private sealed class KindRenewal(World world) : MemoryStore(world)
    {
        protected override bool MayBeRenewed(JobRecord job, JobLease lease) => job.Status == JobStatus.Processing;
    }

    private sealed class HastyRescue(World world) : MemoryStore(world)
    {
        protected override bool MayBeRescued(JobRecord job) => true;
    }

    private sealed class EndlessTries(World world) : MemoryStore(world)
    {
        protected override int Counted(JobRecord job) => 1;
    }

    private sealed class EndlessCrashes(World world) : MemoryStore(world)
    {
        protected override int CrashesAfter(JobRecord job) => 1;
    }

    private sealed class NoReset(World world) : MemoryStore(world)
    {
        protected override void AddReset(JobRecord job) { }
    }

    private sealed class LateCancel(World world) : MemoryStore(world)
    {
        protected override bool MayBeCancelled(JobRecord job) => true;
    }

    private sealed class KeysIgnored(World world) : MemoryStore(world)
    {
        protected override bool KeyExists(JobDraft draft) => false;
    }

    private sealed class ResumeAtInsteadOfAfter(World world) : MemoryStore(world)
    {
        protected override bool IsAfter(JobEventRecord record, int after) => record.Seq >= after;
    }

    /// <summary>Says yes and writes with the next submission; the last one of a run is never written.</summary>
    private sealed class EarlyAnswer(World world) : MemoryStore(world)
    {
        private IReadOnlyList<JobDraft> _unwritten = [];

        public override async Task<InsertResult> InsertAsync(IReadOnlyList<JobDraft> drafts)
        {
            await base.InsertAsync(_unwritten);
            _unwritten = [.. drafts.Where(draft => !KeyExists(draft))];
            return new InsertResult(Now, _unwritten.Where(draft => draft.IdempotencyKey is not null).Select(draft => draft.Id).ToHashSet());
        }
    }

    private sealed class EarlyAnnouncement(World world, SimProcess process) : UnreliableStore(world, process)
    {
        private readonly World _world = world;
        private readonly MessageSeal _seal = SimWorker.SealOf(world, process);

        public override async Task<IReadOnlySet<Guid>> AppendAsync(IReadOnlyList<LeasedWrite> writes)
        {
            var events = writes.SelectMany(write =>
                write.Events.Select(
                    (each, index) => new JobEventRecord(write.Lease.JobId, write.AfterSeq + 1 + index, each.Kind, each.Data)
                )
            );
            _world.Redis.Publish("aib:events", await _seal.SealAsync("aib:events", EventBundle.Encode([.. events])));
            return await base.AppendAsync(writes);
        }
    }
}
