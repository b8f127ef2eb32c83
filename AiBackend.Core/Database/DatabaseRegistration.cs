using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace AiBackend.Core.Database;

/// <summary>Registers the one data source of a process.</summary>
public static class DatabaseRegistration
{
    /// <summary>Name of the connection string: <c>ConnectionStrings:aibackend</c>.</summary>
    public const string ConnectionName = "aibackend";

    /// <summary>
    /// Key of a second <see cref="NpgsqlDataSource"/>, for the statements that every job pays: their best plan is the same for all
    /// values, so it is made once per connection. Its connections are few, so that each stays warm.
    /// </summary>
    public const string HotPath = "hot-path";

    private const int HotPathConnections = 4;

    /// <summary>Adds <see cref="NpgsqlDataSource"/>, another one under <see cref="HotPath"/>, and <see cref="DatabaseMigrator"/>.</summary>
    /// <param name="commandTimeout">Longest a statement may take where the connection string does not say; null is 15 s.</param>
    /// <exception cref="InvalidOperationException">The connection string is missing.</exception>
    public static void AddDatabase(this IHostApplicationBuilder builder, TimeSpan? commandTimeout = null)
    {
        var connectionString =
            builder.Configuration.GetConnectionString(ConnectionName)
            ?? throw new InvalidOperationException(
                $"ConnectionStrings__{ConnectionName} is not set. Start the stack with ./run.sh, or set it to a Postgres connection string."
            );

        builder.Services.AddSingleton(services => Open(connectionString, services.GetRequiredService<ILoggerFactory>(), commandTimeout));
        builder.Services.AddKeyedSingleton(
            HotPath,
            (services, _) => Open(PlannedOnce(connectionString), services.GetRequiredService<ILoggerFactory>(), commandTimeout)
        );
        builder.Services.AddSingleton<DatabaseMigrator>();
    }

    /// <summary>Opens a data source with this product's defaults where the connection string does not say otherwise.</summary>
    public static NpgsqlDataSource Open(string connectionString, ILoggerFactory? loggers = null, TimeSpan? commandTimeout = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        // Npgsql's own default of 100 is all that Postgres has by default: one process could lock out the others.
        Default(settings, "Maximum Pool Size", 24);
        Default(settings, "Timeout", 5);
        Default(settings, "Command Timeout", (int)(commandTimeout?.TotalSeconds ?? 15));
        Default(settings, "Keepalive", 10);
        // Nothing here leaves anything behind in a session, and the reset would be a statement more for every one of ours.
        Default(settings, "No Reset On Close", true);

        var source = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (loggers is not null)
        {
            source.UseLoggerFactory(loggers);
        }

        return source.Build();
    }

    private static string PlannedOnce(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        settings.MaxPoolSize = Math.Min(settings.MaxPoolSize, HotPathConnections);
        settings.Options = (settings.Options + " -c plan_cache_mode=force_generic_plan").Trim();
        return settings.ConnectionString;
    }

    private static void Default(NpgsqlConnectionStringBuilder settings, string key, object value)
    {
        if (!settings.ShouldSerialize(key))
        {
            settings[key] = value;
        }
    }
}
