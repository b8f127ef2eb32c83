using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>A caller: submits one job until it knows the outcome, reads it to its end over broken connections, perhaps cancels it.</summary>
internal sealed class SimClient(World world, SimProcess process, Func<SimApi> pickApi, JobDraft request, string name)
{
    private readonly List<JobEventRecord> _seen = [];
    private string _fold = "";
    private string? _final;

    public bool IsDone { get; private set; }

    /// <summary>Set once the service has said 202 or 200.</summary>
    public Guid? AcknowledgedId { get; private set; }

    public bool WasRefusedAsReuse { get; private set; }

    /// <summary>Another request under this client's key was acknowledged: what this one says must fit.</summary>
    public JobDraft Request => request;

    public bool CancelAccepted { get; private set; }

    public IReadOnlyList<JobEventRecord> Seen => _seen;

    public string Fold => _fold;

    public void Start(TimeSpan after, TimeSpan? cancelAfter) => process.Do(() => _ = RunAsync(after, cancelAfter));

    private async Task RunAsync(TimeSpan after, TimeSpan? cancelAfter)
    {
        await PauseAsync(after);
        AcknowledgedId = await SubmitAsync();
        if (AcknowledgedId is { } id)
        {
            var cancel = cancelAfter is { } delay ? CancelAsync(id, delay) : Task.CompletedTask;
            while (_final is null)
            {
                await WatchOnceAsync(id);
            }

            await cancel;
        }

        IsDone = true;
    }

    private async Task<Guid?> SubmitAsync()
    {
        while (true)
        {
            // Each request of the Api makes a draft of its own; the key is what they have in common.
            var id = JobId();
            var draft = request with { Id = id, Input = $$"""{"messages":[{"role":"user","content":"{{id}}"}]}""" };
            try
            {
                switch (await pickApi().SubmitAsync(draft))
                {
                    case SubmitOutcome.Accepted:
                        world.Note($"{name} has its 202 for {Referee.Short(id)}");
                        return id;
                    case SubmitOutcome.Replayed(var earlier):
                        world.Sometimes("a repeated submit found its job");
                        return earlier;
                    case SubmitOutcome.KeyReused:
                        world.Sometimes("another request under a used key was refused");
                        WasRefusedAsReuse = true;
                        return null;
                }
            }
            catch (Exception failure) when (failure is ConnectionBrokenException or Npgsql.NpgsqlException)
            {
                world.Sometimes("a submit ended without an answer");
                if (request.IdempotencyKey is null)
                {
                    return null; // Whether the job exists, nobody has said.
                }
            }

            await PauseAsync(world.Schedule.Between(0.05, 1));
        }
    }

    private async Task WatchOnceAsync(Guid id)
    {
        var lifetime = world.FaultsOn ? world.Schedule.Between(0.5, 12) : TimeSpan.FromSeconds(60);
        try
        {
            var ended = await pickApi().WatchAsync(id, _seen.Count, lifetime, Take);
            world.Referee.Require(ended && _final is not null, "I-9", $"{name}'s stream of {Referee.Short(id)} ended without final");
        }
        catch (Exception failure) when (failure is ConnectionBrokenException or Npgsql.NpgsqlException or OperationCanceledException)
        {
            world.Sometimes("a reader resumed");
            await PauseAsync(world.Schedule.Between(0.05, 1));
        }
    }

    private void Take(JobEventRecord record)
    {
        world.Referee.Require(
            record.Seq == _seen.Count + 1,
            "I-9",
            $"{name} was sent event {record.Seq} after event {_seen.Count} of {Referee.Short(record.JobId)}"
        );
        world.Referee.Require(_final is null, "I-9", $"{name} was sent event {record.Seq} of {Referee.Short(record.JobId)} after final");
        _seen.Add(record);
        switch (record.Kind)
        {
            case JobEventKind.Delta:
                _fold += JsonSerializer.Deserialize(record.Data.Span, WireJson.Default.DeltaEvent)!.Text;
                break;
            case JobEventKind.Reset:
                world.Sometimes(_fold.Length > 0 ? "a reader saw text reset" : "a reader saw a reset");
                _fold = "";
                break;
            case JobEventKind.Final:
                var job = JsonSerializer.Deserialize(record.Data.Span, WireJson.Default.FinalEvent)!.Job;
                _final = job.Status;
                world.Referee.Require(
                    _fold == (job.Output?.Text ?? ""),
                    "I-9",
                    $"{name} folded '{_fold}' of {Referee.Short(record.JobId)}, which ended {job.Status} with '{job.Output?.Text}'"
                );
                break;
        }
    }

    private async Task CancelAsync(Guid id, TimeSpan delay)
    {
        await PauseAsync(delay);
        while (true)
        {
            try
            {
                CancelAccepted = await pickApi().CancelAsync(request with { Id = id }) is CancelOutcome.Accepted;
                return;
            }
            catch (Exception failure) when (failure is ConnectionBrokenException or Npgsql.NpgsqlException)
            {
                await PauseAsync(world.Schedule.Between(0.05, 1));
            }
        }
    }

    private Guid JobId()
    {
        var bytes = new byte[16];
        world.Schedule.Random.NextBytes(bytes);
        var milliseconds = world.Now.ToUnixTimeMilliseconds();
        for (var i = 5; i >= 0; i--)
        {
            bytes[i] = (byte)milliseconds;
            milliseconds >>= 8;
        }

        (bytes[6], bytes[8]) = ((byte)(0x70 | (bytes[6] & 0x0f)), (byte)(0x80 | (bytes[8] & 0x3f)));
        return new Guid(bytes, bigEndian: true);
    }

    private Task PauseAsync(TimeSpan pause) => Task.Delay(pause, process.Clock, CancellationToken.None);
}
