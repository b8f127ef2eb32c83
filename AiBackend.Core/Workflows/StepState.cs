using System.Text.Json;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Texts;

namespace AiBackend.Core.Workflows;

/// <summary>Where a step, or an item of a map, stands. The numbers are stored; never renumber.</summary>
public enum StepStatus : short
{
    /// <summary>Under way, or waiting.</summary>
    Running = 1,

    /// <summary>It has given what it gives.</summary>
    Succeeded = 2,

    /// <summary>It gives nothing.</summary>
    Failed = 3,

    /// <summary>It was not to be done.</summary>
    Skipped = 4,
}

/// <summary>A step, or an item of a map, that has begun.</summary>
/// <param name="Name">The step.</param>
/// <param name="Item">The item; null is the step itself.</param>
/// <param name="Status">Where it stands.</param>
public sealed record StepState(string Name, int? Item, StepStatus Status)
{
    private const int MostCharactersOfError = 1000;

    // Of the errors of a map's items.
    private const int MostErrors = 20;

    /// <summary>One of <see cref="ApiContracts.Workflows.StepTypes"/>.</summary>
    public string? Type { get; init; }

    /// <summary>The job that does it.</summary>
    public Guid? JobId { get; init; }

    /// <summary>When a timer ends, or a wait is given up.</summary>
    public DateTimeOffset? DueAt { get; init; }

    /// <summary>Somebody posted the event that it waits for.</summary>
    public bool IsPosted { get; init; }

    /// <summary>What it gave, while that is not stored yet.</summary>
    public JsonElement? Output { get; init; }

    /// <summary>Whether it gave a value, which may have to be read. The value of a map is made of those of its items.</summary>
    public bool HasOutput { get; init; }

    /// <summary>Bytes of its own value.</summary>
    public int Size { get; init; }

    /// <summary>Why it failed, or what is missing of it.</summary>
    public string? Error { get; init; }

    /// <summary>What its contract found about its value; null where it has none, and where a job does it, whose attempt keeps that.</summary>
    public ContractCheck? Check { get; init; }

    /// <summary>The step has given a value.</summary>
    /// <param name="value">The value.</param>
    public StepState Gave(JsonElement value) =>
        this with
        {
            Status = StepStatus.Succeeded,
            Output = value,
            HasOutput = true,
            Size = System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(value).Length,
        };

    /// <summary>The step gives nothing.</summary>
    /// <param name="error">Why.</param>
    public StepState Failed(string error) => this with { Status = StepStatus.Failed, Error = error };

    /// <summary>The step gives nothing, because its value breaks its contract.</summary>
    /// <param name="check">What was found.</param>
    public StepState Broke(ContractCheck check) =>
        Failed(
            StorableText.Of($"What it gives breaks its contract ({check.Verdict}): {Violations.Told(check)}", MostCharactersOfError)
        ) with
        {
            Check = check,
        };

    /// <summary>What a map lacks whose items have failed, and may; null when none has.</summary>
    public static string? MissingOf(IEnumerable<StepState> items)
    {
        var failed = items.Where(item => item.Status == StepStatus.Failed).ToList();
        var missing = failed.Take(MostErrors).Select(item => FormattableString.Invariant($"{item.Item}: {item.Error}")).ToList();
        if (failed.Count > MostErrors)
        {
            missing.Add(FormattableString.Invariant($"and {failed.Count - MostErrors} more"));
        }

        return missing.Count == 0 ? null : string.Join("; ", missing);
    }
}
