namespace AiBackend.Core.Providers.Failures;

/// <summary>Nobody may be asked now.</summary>
/// <param name="failure">Why not, and until when: of the deployment that may be asked soonest.</param>
public sealed class ProviderNotAskedException(ProviderFailure failure) : Exception(failure.Message)
{
    /// <summary>Why not, and until when.</summary>
    public ProviderFailure Failure { get; } = failure;
}
