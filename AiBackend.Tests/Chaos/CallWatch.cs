using System.Text.Json;
using AiBackend.Tests.EndToEnd;

namespace AiBackend.Tests.Chaos;

/// <summary>Collects the provider's log while a run goes on; the provider itself remembers the last few thousand calls only.</summary>
internal sealed class CallWatch(Stack stack)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly Dictionary<string, CallFacts> _calls = [];

    public IReadOnlyList<CallFacts> Calls => [.. _calls.Values];

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            using var timer = new PeriodicTimer(Pause);
            while (await timer.WaitForNextTickAsync(stop))
            {
                await LookAsync(stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The last look is the caller's, when all is quiet.
        }
    }

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        var log = await stack.Simulator.GetFromJsonAsync<JsonElement>("/sim/calls", cancellationToken);
        foreach (var call in log.GetProperty("data").EnumerateArray())
        {
            var content = call.GetProperty("messages").EnumerateArray().Last().GetProperty("content").GetString()!;
            _calls[call.GetProperty("id").GetString()!] = new(
                content.Split(' ')[^1],
                call.GetProperty("received_at").GetDateTimeOffset(),
                call.GetProperty("outcome").GetString()!
            );
        }
    }
}
