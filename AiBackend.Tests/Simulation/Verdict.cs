using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Simulation;

/// <summary>What is stored of a job when a run is over.</summary>
internal sealed record StoredJob(
    Guid Id,
    JobStatus Status,
    int Epoch,
    int Attempt,
    int Excused,
    int CrashCount,
    bool CancelRequested,
    int LastSeq,
    string? ErrorCode,
    DateTimeOffset DueAt,
    DateTimeOffset? FinishedAt,
    string? Output,
    bool IsDeadLetter,
    string Attempts
);

/// <summary>What the invariants say of a finished run.</summary>
internal static class Verdict
{
    public static void Pass(SimulatedRun run)
    {
        var world = run.World;
        var referee = world.Referee;
        var stored = world.Backend.Dump().ToDictionary(job => job.Id);
        foreach (var (id, watched) in referee.Jobs)
        {
            if (!stored.TryGetValue(id, out var job))
            {
                referee.Violate("I-1", $"job {Referee.Short(id)} is gone");
                continue;
            }

            referee.Require(job.Status.IsTerminal(), "I-1", $"job {Referee.Short(id)} is still {job.Status} at the end");
            referee.Require(
                !job.Status.IsTerminal() || (watched.HasEnded && (watched.EndedAs ?? job.Status) == job.Status),
                "I-2",
                $"job {Referee.Short(id)} is {job.Status}, but had ended as {watched.EndedAs}"
            );
            referee.Require(job.CrashCount <= RescueJobs.MaxCrashes, "I-13", $"job {Referee.Short(id)} crashed {job.CrashCount} times");
            referee.Require(
                job.Attempt - job.Excused <= watched.Draft.MaxAttempts,
                "I-13",
                $"job {Referee.Short(id)} used {job.Attempt - job.Excused} of {watched.Draft.MaxAttempts} tries"
            );
            CheckLog(world, job);
        }

        referee.Require(stored.Count == referee.Jobs.Count, "I-3", $"{stored.Count} jobs are stored, {referee.Jobs.Count} were inserted");
        CheckClients(run, stored);
        referee.Require(world.Redis.Skipped == 0, "I-18", $"{world.Redis.Skipped} entries of the stream were never given to a worker");
    }

    private static void CheckLog(World world, StoredJob job)
    {
        var log = world.Backend.Log.ReadAllAsync(job.Id).GetAwaiter().GetResult();
        var referee = world.Referee;
        var name = Referee.Short(job.Id);
        referee.Require(
            log.Select(record => record.Seq).SequenceEqual(Enumerable.Range(1, job.LastSeq)),
            "I-8",
            $"the log of job {name} is {string.Join(',', log.Select(record => record.Seq))} and should end with {job.LastSeq}"
        );
        referee.Require(
            log.Count(record => record.Kind == JobEventKind.Final) == (job.Status.IsTerminal() ? 1 : 0),
            "I-1",
            $"the log of job {name} has {log.Count(record => record.Kind == JobEventKind.Final)} final events"
        );
        var text = "";
        foreach (var record in log)
        {
            text = record.Kind switch
            {
                JobEventKind.Delta => text + JsonSerializer.Deserialize(record.Data.Span, WireJson.Default.DeltaEvent)!.Text,
                JobEventKind.Reset => "",
                _ => text,
            };
        }

        referee.Require(text == (job.Output ?? ""), "I-9", $"the log of job {name} folds to '{text}', stored is '{job.Output}'");
    }

    private static void CheckClients(SimulatedRun run, Dictionary<Guid, StoredJob> stored)
    {
        var world = run.World;
        var referee = world.Referee;
        foreach (var client in run.Clients)
        {
            referee.Require(client.IsDone, "I-1", "a client never came to its end");
            if (client.AcknowledgedId is not { } id)
            {
                continue;
            }

            if (!stored.TryGetValue(id, out var job))
            {
                referee.Violate("I-1", $"job {Referee.Short(id)} was acknowledged and does not exist");
                continue;
            }

            referee.Require(
                !client.CancelAccepted || referee.Jobs[id].CancelRequested,
                "I-20",
                $"a cancel of job {Referee.Short(id)} was acknowledged and is not recorded"
            );
            CheckSeen(world, client, id);
        }

        foreach (
            var sameKey in run
                .Clients.Where(client => client.Request.IdempotencyKey is not null)
                .GroupBy(client => client.Request.IdempotencyKey)
        )
        {
            var ids = sameKey.Select(client => client.AcknowledgedId).OfType<Guid>().Distinct().ToList();
            referee.Require(ids.Count == 1, "I-3", $"{sameKey.Key} led to {ids.Count} jobs");
            var bodies = sameKey
                .Where(client => client.AcknowledgedId is not null)
                .Select(client => client.Request.Fingerprint!.Length)
                .Distinct();
            referee.Require(bodies.Count() == 1, "I-3", $"{sameKey.Key} was accepted for two different requests");
        }
    }

    /// <summary>Nobody may be shown what is not in the log, for example because it was announced before its commit.</summary>
    private static void CheckSeen(World world, SimClient client, Guid id)
    {
        var log = world.Backend.Log.ReadAllAsync(id).GetAwaiter().GetResult().ToDictionary(record => record.Seq);
        foreach (var seen in client.Seen.Where(seen => seen.Kind != JobEventKind.Final))
        {
            world.Referee.Require(
                log.TryGetValue(seen.Seq, out var record) && record.Kind == seen.Kind && record.Data.Span.SequenceEqual(seen.Data.Span),
                "I-9",
                $"event {seen.Seq} of job {Referee.Short(id)} was shown and is not what is stored"
            );
        }
    }
}
