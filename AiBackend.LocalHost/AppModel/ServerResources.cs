using System.Globalization;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>A server from the machine's packages, where Aspire would run a container.</summary>
public abstract class ContainerResource(string name)
    : Resource(name),
        IResourceWithEnvironment,
        IResourceWithArgs,
        IResourceWithEndpoints,
        IResourceWithWaitSupport
{
    internal const string TcpEndpoint = "tcp";

    internal string Password { get; set; } = "";

    internal string Host => "127.0.0.1";

    internal int Port => new EndpointReference(this, TcpEndpoint).Port;
}

/// <summary>A resource whose parts are also injected one by one, as <c>{NAME}_{PROPERTY}</c>.</summary>
internal interface IResourceWithConnectionProperties
{
    IEnumerable<KeyValuePair<string, string>> ConnectionProperties { get; }
}

public sealed class RedisResource(string name) : ContainerResource(name), IResourceWithConnectionString, IResourceWithConnectionProperties
{
    IEnumerable<KeyValuePair<string, string>> IResourceWithConnectionProperties.ConnectionProperties =>
        [
            new("Host", Host),
            new("Port", Port.ToString(CultureInfo.InvariantCulture)),
            new("Password", Password),
            new("Uri", string.Create(CultureInfo.InvariantCulture, $"redis://:{Password}@{Host}:{Port}")),
        ];

    public ValueTask<string?> GetConnectionStringAsync(CancellationToken cancellationToken = default) =>
        new(string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port},password={Password}"));
}

public sealed class PostgresServerResource(string name)
    : ContainerResource(name),
        IResourceWithConnectionString,
        IResourceWithConnectionProperties
{
    internal const string UserName = "postgres";

    internal List<PostgresDatabaseResource> Databases { get; } = [];

    IEnumerable<KeyValuePair<string, string>> IResourceWithConnectionProperties.ConnectionProperties =>
        [
            new("Host", Host),
            new("Port", Port.ToString(CultureInfo.InvariantCulture)),
            new("Username", UserName),
            new("Password", Password),
            new("Uri", Uri),
            new("JdbcConnectionString", string.Create(CultureInfo.InvariantCulture, $"jdbc:postgresql://{Host}:{Port}")),
        ];

    internal string Uri => string.Create(CultureInfo.InvariantCulture, $"postgresql://{UserName}:{Password}@{Host}:{Port}");

    public ValueTask<string?> GetConnectionStringAsync(CancellationToken cancellationToken = default) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Host={Host};Port={Port};Username={UserName};Password={Password}"));
}

/// <summary>A database of a server: created when the server first answers, healthy when it exists.</summary>
public sealed class PostgresDatabaseResource(string name, string databaseName, PostgresServerResource parent)
    : Resource(name),
        IResourceWithParent<PostgresServerResource>,
        IResourceWithConnectionString,
        IResourceWithConnectionProperties
{
    public PostgresServerResource Parent { get; } = parent;

    public string DatabaseName { get; } = databaseName;

    IEnumerable<KeyValuePair<string, string>> IResourceWithConnectionProperties.ConnectionProperties =>
        [
            .. ((IResourceWithConnectionProperties)Parent).ConnectionProperties.Where(p => p.Key is not ("Uri" or "JdbcConnectionString")),
            new("Uri", $"{Parent.Uri}/{DatabaseName}"),
            new(
                "JdbcConnectionString",
                string.Create(CultureInfo.InvariantCulture, $"jdbc:postgresql://{Parent.Host}:{Parent.Port}/{DatabaseName}")
            ),
            new("DatabaseName", DatabaseName),
        ];

    public async ValueTask<string?> GetConnectionStringAsync(CancellationToken cancellationToken = default) =>
        $"{await Parent.GetConnectionStringAsync(cancellationToken)};Database={DatabaseName}";
}
