using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Peers;

/// <summary>A real language model behind the OpenAI protocol, in a process of its own, see <c>stories.mjs</c>.</summary>
public sealed class StoryTeller : IDisposable
{
    /// <summary>Tokens that it can read and write together.</summary>
    public const int Context = 512;

    private readonly SemaphoreSlim _gate = new(1);
    private ChildProcess? _process;
    private Uri? _address;

    /// <summary>Where it listens. Skips the test when the package is not installed; fails it in continuous integration.</summary>
    public async Task<Uri> AddressAsync()
    {
        await _gate.WaitAsync(TestRun.Cancel);
        try
        {
            return _address ??= await StartAsync();
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose()
    {
        _process?.Dispose();
        _gate.Dispose();
    }

    private async Task<Uri> StartAsync()
    {
        _process ??= await NodePeer.StartAsync("stories.mjs", "node-llama-cpp");
        return await NodePeer.ListeningAsync(_process);
    }
}
