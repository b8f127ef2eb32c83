using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.EndToEnd;

/// <summary>
/// One running stack for all tests of the collection <see cref="StackCollection.Name"/>. They run one after another and must
/// leave it working. Without Postgres and Redis on the machine they are skipped at a desk and fail in continuous integration.
/// </summary>
public sealed class StackFixture : IAsyncLifetime
{
    private Stack? _stack;

    /// <summary>Use it in a test or its constructor, where a skip is counted.</summary>
    public Stack Stack
    {
        get
        {
            RequireServers();
            return _stack ?? throw new InvalidOperationException("The stack was not started.");
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (HasServers || TestRun.IsContinuousIntegration)
        {
            RequireServers();
            _stack = await Stack.StartAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stack is not null)
        {
            await _stack.DisposeAsync();
        }
    }

    internal static void RequireServers()
    {
        TestRun.Require("redis-server");
        TestRun.Require("postgres", PostgresFolders);
    }

    private static bool HasServers => TestRun.Find("redis-server") is not null && TestRun.Find("postgres", PostgresFolders) is not null;

    private static string[] PostgresFolders =>
        Directory.Exists("/usr/lib/postgresql")
            ? [.. Directory.EnumerateDirectories("/usr/lib/postgresql").Select(folder => Path.Combine(folder, "bin"))]
            : [];
}

[CollectionDefinition(Name)]
public sealed class StackCollection : ICollectionFixture<StackFixture>
{
    public const string Name = "stack";
}
