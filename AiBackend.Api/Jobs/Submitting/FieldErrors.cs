using AiBackend.Api.Problems;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>Collects every field that is out of bounds, so that a caller mends all of them at once.</summary>
internal sealed class FieldErrors
{
    private Dictionary<string, string[]>? _errors;

    public bool IsEmpty => _errors is null;

    public void Add(string field, string message)
    {
        _errors ??= new(StringComparer.Ordinal);
        _errors[field] = _errors.TryGetValue(field, out var earlier) ? [.. earlier, message] : [message];
    }

    /// <summary>Text of bounded length, when there is one.</summary>
    public void CheckText(string field, string? value, int maxLength)
    {
        if (value is { Length: 0 })
        {
            Add(field, "is empty; leave it out instead.");
        }
        else if (value?.Length > maxLength)
        {
            Add(field, $"has {value.Length} characters; at most {maxLength} are allowed.");
        }
    }

    /// <summary>Number within bounds, when there is one. Infinity and NaN are outside every bound.</summary>
    public void CheckRange(string field, double? value, double min, double max)
    {
        if (value is { } number && !(number >= min && number <= max))
        {
            Add(field, FormattableString.Invariant($"is {number}; it must be from {min} to {max}."));
        }
    }

    /// <returns>One refusal for all of them, or null when there is none.</returns>
    public Refusal? ToRefusal()
    {
        if (_errors is null)
        {
            return null;
        }

        var all = _errors.SelectMany(error => error.Value.Select(message => $"{error.Key} {message}"));
        return ProblemTypes.InvalidValue.With(string.Join(' ', all)) with { Errors = _errors };
    }
}
