using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
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

    /// <summary>
    /// Key of a source for what the leader and idle slots ask again and again, whether anything has changed or not. Planned once, as on <see cref="HotPath"/>:
    /// with all partitions of jobs in it, a plan costs many times as much as its run. On connections of its own, so that few of them plan.
    /// </summary>
    public const string Rounds = "rounds";

    /// <summary>
    /// Key of a source for statements that are about all tenants, or that find out which one somebody is: keys, caps, what operators
    /// look at. Where a program sees all rows anyway it is the ordinary one.
    /// </summary>
    public const string AllTenants = "all-tenants";

    private const int HotPathConnections = 6;
    private const int RoundsConnections = 3;
    private const int AllTenantsConnections = 4;

    // Claims, results and renewals: a try that hangs must leave time for another before the lease is over.
    private static readonly TimeSpan HotPathPatience = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Adds <see cref="NpgsqlDataSource"/>, others under <see cref="HotPath"/>, <see cref="Rounds"/> and <see cref="AllTenants"/>,
    /// <see cref="IStorageWatch"/> and <see cref="DatabaseMigrator"/>.
    /// </summary>
    /// <param name="builder">The program.</param>
    /// <param name="role">What the program is.</param>
    /// <param name="commandTimeout">Longest a statement may take where the connection string does not say; null is 15 s.</param>
    /// <exception cref="InvalidOperationException">The connection string is missing.</exception>
    public static void AddDatabase(this IHostApplicationBuilder builder, DatabaseRole role, TimeSpan? commandTimeout = null)
    {
        var connectionString =
            builder.Configuration.GetConnectionString(ConnectionName)
            ?? throw new InvalidOperationException(
                $"ConnectionStrings__{ConnectionName} is not set. Start the stack with ./run.sh, or set it to a Postgres connection string."
            );

        builder
            .Services.AddOptions<DatabaseOptions>()
            .BindConfiguration(DatabaseOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.AddSources(connectionString, role, commandTimeout);
        builder.Services.AddSingleton<IStorageWatch>(services => new StorageWatch(
            connectionString,
            [
                services.GetRequiredService<NpgsqlDataSource>(),
                services.GetRequiredKeyedService<NpgsqlDataSource>(HotPath),
                services.GetRequiredKeyedService<NpgsqlDataSource>(Rounds),
                services.GetRequiredKeyedService<NpgsqlDataSource>(AllTenants),
            ],
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<StorageWatch>>()
        ));
        builder.Services.AddSingleton<DatabaseMigrator>();
        if (builder.Environment.IsProduction() && role != DatabaseRole.Owner)
        {
            builder.Services.AddHostedService<RefuseSuperuser>();
        }
    }

    private static void AddSources(
        this IHostApplicationBuilder builder,
        string connectionString,
        DatabaseRole role,
        TimeSpan? commandTimeout
    )
    {
        var ordinary = As(role, connectionString);
        builder.Services.AddSingleton(services => Open(services, ordinary, commandTimeout));
        builder.Services.AddKeyedSingleton(
            HotPath,
            (services, _) => Open(services, PlannedOnce(ordinary, HotPathConnections, HotPathPatience), commandTimeout)
        );
        builder.Services.AddKeyedSingleton(
            Rounds,
            (services, _) => Open(services, PlannedOnce(AlongIndexes(ordinary), RoundsConnections, patience: null), commandTimeout)
        );
        builder.Services.AddKeyedSingleton(
            AllTenants,
            (services, _) =>
                role == DatabaseRole.Api
                    ? Open(services, Few("aibackend_operator", connectionString), commandTimeout)
                    : services.GetRequiredService<NpgsqlDataSource>()
        );
    }

    /// <summary>Opens a data source with this product's defaults where the connection string does not say otherwise.</summary>
    public static NpgsqlDataSource Open(
        string connectionString,
        ILoggerFactory? loggers = null,
        TimeSpan? commandTimeout = null,
        DatabaseOptions? limits = null
    )
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        // Npgsql's own default of 100 is all that Postgres has by default: one process could lock out the others.
        Default(settings, "Maximum Pool Size", 24);
        // Also the longest wait for a free connection of the pool: whoever waits for that is better told.
        Default(settings, "Timeout", 2);
        Default(settings, "Command Timeout", (int)(commandTimeout?.TotalSeconds ?? 15));
        Default(settings, "Keepalive", 10);
        // Nothing here leaves anything behind in a session, and the reset would be a statement more for every one of ours.
        Default(settings, "No Reset On Close", true);
        // Every value here is of a type that Postgres comes with: asking for the others costs the first connection of a source 60 ms.
        Default(settings, "Server Compatibility Mode", ServerCompatibilityMode.NoTypeLoading);
        settings.Options = Bounded(settings, limits ?? new DatabaseOptions());

        var source = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        if (loggers is not null)
        {
            source.UseLoggerFactory(new NpgsqlLogs(loggers));
        }

        return source.Build();
    }

    private static NpgsqlDataSource Open(IServiceProvider services, string connectionString, TimeSpan? commandTimeout) =>
        Open(
            connectionString,
            services.GetRequiredService<ILoggerFactory>(),
            commandTimeout,
            services.GetRequiredService<IOptions<DatabaseOptions>>().Value
        );

    /// <summary>Limits that Postgres keeps; what the connection string says itself comes last and wins.</summary>
    private static string Bounded(NpgsqlConnectionStringBuilder settings, DatabaseOptions limits) =>
        string.Create(
                CultureInfo.InvariantCulture,
                $"-c lock_timeout={limits.LockTimeout.TotalMilliseconds:0} -c statement_timeout={settings.CommandTimeout}s -c idle_in_transaction_session_timeout={limits.IdleInTransactionTimeout.TotalMilliseconds:0} {settings.Options}"
            )
            .Trim();

    private static string As(DatabaseRole role, string connectionString) =>
        role switch
        {
            DatabaseRole.Api => As("aibackend_api", connectionString),
            DatabaseRole.Worker => As("aibackend_worker", connectionString),
            _ => connectionString,
        };

    private static string As(string role, string connectionString) => With($"-c role={role}", connectionString);

    private static string With(string options, string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        settings.Options = $"{settings.Options} {options}".Trim();
        return settings.ConnectionString;
    }

    private static string Few(string role, string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(As(role, connectionString));
        settings.MaxPoolSize = Math.Min(settings.MaxPoolSize, AllTenantsConnections);
        return settings.ConnectionString;
    }

    // The line is mostly empty when Postgres looks at its tables, so it would take "all that wait" for a handful, read them all and sort them:
    // the more wait, the longer. What may meet many rows in a round must have an index in the order that it asks for: without one, all jobs are read along
    // their primary key.
    private static string AlongIndexes(string connectionString) => With("-c enable_sort=off -c enable_seqscan=off", connectionString);

    // Without jit: a plan for all values counts every partition, so that with enough weeks of them its estimate calls for compiling each run of a millisecond.
    private static string PlannedOnce(string connectionString, int connections, TimeSpan? patience)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        settings.MaxPoolSize = Math.Min(settings.MaxPoolSize, connections);
        if (patience is { } longest)
        {
            Default(settings, "Command Timeout", (int)longest.TotalSeconds);
        }

        settings.Options = (settings.Options + " -c plan_cache_mode=force_generic_plan -c jit=off").Trim();
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
