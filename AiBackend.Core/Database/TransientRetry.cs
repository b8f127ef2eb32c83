using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>Repeats a statement that lost a deadlock or a serialisation race: at most three times, with jitter.</summary>
/// <remarks>Only for errors that Postgres itself reports, after which nothing was written; a broken connection is not among them.</remarks>
internal static class TransientRetry
{
    private const int MaxRetries = 3;

    public static async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> statement, CancellationToken cancellationToken)
    {
        for (var retry = 0; ; retry++)
        {
            try
            {
                return await statement(cancellationToken);
            }
            catch (PostgresException race) when (retry < MaxRetries && IsRace(race))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(5, 50) << retry), cancellationToken);
            }
        }
    }

    public static bool IsRace(PostgresException failure) =>
        failure.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;
}
