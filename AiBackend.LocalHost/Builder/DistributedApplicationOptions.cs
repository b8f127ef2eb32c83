using System.Reflection;

namespace Aspire.Hosting;

public sealed class DistributedApplicationOptions
{
    public string[]? Args { get; set; }

    /// <summary>There is no dashboard here; the value is accepted and has no effect.</summary>
    public bool DisableDashboard { get; set; }

    internal Assembly? Assembly { get; set; }

    /// <summary>Set by tests: values that stand below the arguments and above everything else.</summary>
    internal IReadOnlyDictionary<string, string?> Defaults { get; set; } = new Dictionary<string, string?>();
}
