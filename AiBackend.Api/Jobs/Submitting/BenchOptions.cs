using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs.Submitting;

/// <summary>What only measurements need. Section <c>Bench</c>; changes need a restart.</summary>
internal sealed class BenchOptions
{
    public const string SectionName = "Bench";

    /// <summary>Whether jobs of type <c>noop</c> are accepted. Default false; true is refused in Production.</summary>
    public bool Noop { get; set; }
}

/// <summary>Refuses to serve the public with a job type that costs nothing and does nothing.</summary>
internal sealed class BenchOptionsValidator(IHostEnvironment environment) : IValidateOptions<BenchOptions>
{
    public ValidateOptionsResult Validate(string? name, BenchOptions options) =>
        options.Noop && environment.IsProduction()
            ? ValidateOptionsResult.Fail(
                "Bench:Noop is true, which Production refuses: noop jobs are for measurements only. Remove Bench__Noop."
            )
            : ValidateOptionsResult.Success;
}
