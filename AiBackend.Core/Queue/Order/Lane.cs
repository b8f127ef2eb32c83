namespace AiBackend.Core.Queue.Order;

/// <summary>Jobs among which tenants share: those of a level, or those that have waited too long.</summary>
internal sealed class Lane
{
    private readonly VirtualTime _shares;
    private readonly Room _room;
    private readonly PriorityQueue<TenantLine, (double Turn, Guid Oldest)> _tenants = new();

    public Lane(IEnumerable<WaitingJob> jobs, VirtualTime shares, Room room, bool shortestFirst)
    {
        _shares = shares;
        _room = room;
        foreach (var tenant in jobs.GroupBy(job => job.TenantId))
        {
            var line = new TenantLine(tenant, shortestFirst);
            _tenants.Enqueue(line, (shares.TurnOf(tenant.Key), line.Oldest));
        }
    }

    /// <returns>The next job, charged to its tenant; null when there is none that has room.</returns>
    public WaitingJob? Take(HashSet<Guid> taken, Func<string, double> weightOf)
    {
        // A tenant without a job that has room is left out for this time: in one round room only shrinks.
        while (_tenants.TryDequeue(out var tenant, out _))
        {
            if (tenant.Take(taken, _room) is not { } job)
            {
                continue;
            }

            _shares.Charge(job.TenantId, Math.Max(1, job.Tokens), weightOf(job.Tier));
            _tenants.Enqueue(tenant, (_shares.TurnOf(job.TenantId), tenant.Oldest));
            return job;
        }

        return null;
    }

    /// <summary>One tenant's jobs of the lane, a queue for each length.</summary>
    private sealed class TenantLine
    {
        private readonly List<Queue<WaitingJob>> _queues;

        public TenantLine(IEnumerable<WaitingJob> jobs, bool shortestFirst)
        {
            _queues = shortestFirst
                ? [.. jobs.GroupBy(job => job.Length).OrderBy(length => length.Key).Select(Sorted)]
                : [new(jobs.OrderByDescending(job => job.Waited).ThenBy(job => job.Id))];
        }

        /// <summary>Of two whose turn it is, whoever has the older job goes first.</summary>
        public Guid Oldest =>
            _queues.Where(queue => queue.Count > 0).Select(queue => queue.Peek().Id).DefaultIfEmpty(Guid.AllBitsSet).Min();

        public WaitingJob? Take(HashSet<Guid> taken, Room room)
        {
            foreach (var queue in _queues)
            {
                while (queue.TryPeek(out var job))
                {
                    if (taken.Contains(job.Id))
                    {
                        queue.Dequeue();
                    }
                    else if (room.Has(job))
                    {
                        return queue.Dequeue();
                    }
                    else
                    {
                        break;
                    }
                }
            }

            return null;
        }

        private static Queue<WaitingJob> Sorted(IEnumerable<WaitingJob> jobs) => new(jobs.OrderBy(job => job.Id));
    }
}
