using AiBackend.Core.Database;

namespace AiBackend.Core.Privacy;

/// <summary>What is done for each tenant in turn.</summary>
internal static class OneTenant
{
    /// <summary>For exception filters: what one tenant's rows may be to blame for, so that the others get their turn. An outage is everybody's.</summary>
    public static bool MayFail(Exception failure) =>
        failure is not OperationCanceledException && StorageFailures.Of(failure) is null or StorageTrouble.Busy;
}
