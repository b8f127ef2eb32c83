namespace AiBackend.Core.Alerts;

/// <summary>A part of the system that knows when a person should look. The leader asks every source every few seconds.</summary>
public interface IAlertSource
{
    /// <summary>What holds now. What is no longer told is over a while later.</summary>
    Task<IReadOnlyList<AlertFinding>> FindAsync(CancellationToken cancellationToken);
}

/// <summary>Something that holds now: one alert, however often and by whomever it is found.</summary>
/// <param name="TenantId">Who is told; <see cref="Everyone"/> for what concerns the installation.</param>
/// <param name="Rule">One of <see cref="AlertRules"/>.</param>
/// <param name="Cause">Tells it apart from others of its rule.</param>
/// <param name="Value">A number that says how bad it is.</param>
public sealed record AlertFinding(Guid TenantId, string Rule, string Cause, long Value)
{
    /// <summary>Stands for every tenant.</summary>
    public static readonly Guid Everyone = Guid.Empty;

    /// <summary>One sentence for people; null when the reader of alerts makes one.</summary>
    public string? Message { get; init; }

    /// <summary>Whether the value changes all the time by itself: then it is written down every half minute only.</summary>
    public bool Drifts { get; init; }
}
