using Microsoft.Extensions.Hosting;
using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>Production only: a program whose login is a superuser could take its role off again, so it does not run (D-2).</summary>
internal sealed class RefuseSuperuser(NpgsqlDataSource database, IStorageWatch storage, TimeProvider clock) : BackgroundService
{
    private const string Sql = "SELECT rolname FROM pg_roles WHERE rolname = session_user AND rolsuper";

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <inheritdoc />
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (!await TryCheckAsync(cancellationToken))
        {
            // Nothing can be done without Postgres either; it is asked when it is back.
            await base.StartAsync(cancellationToken);
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        do
        {
            await Task.Delay(Pause, clock, stoppingToken);
            await storage.WaitUntilBackAsync(stoppingToken);
        } while (!await TryCheckAsync(stoppingToken));
    }

    /// <returns>False when Postgres did not answer.</returns>
    /// <exception cref="InvalidOperationException">The login is a superuser: the process ends.</exception>
    private async Task<bool> TryCheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = database.CreateCommand(Sql);
            return await command.ExecuteScalarAsync(cancellationToken) is not string login
                ? true
                : throw new InvalidOperationException(
                    $"ConnectionStrings__{DatabaseRegistration.ConnectionName} logs in as '{login}', a superuser of Postgres, for whom no wall between tenants stands. Log in as a member of the program's role (docs/operations.md, Postgres); only the migrations may be the owner."
                );
        }
        catch (Exception outage) when (storage.Report(outage))
        {
            return false;
        }
    }
}
