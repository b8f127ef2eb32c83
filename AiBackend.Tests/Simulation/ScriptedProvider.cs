using System.Runtime.CompilerServices;
using AiBackend.Core.Providers.Failures;
using Microsoft.Extensions.AI;

namespace AiBackend.Tests.Simulation;

/// <summary>A provider whose answers, delays and failures the schedule decides. It notes every call.</summary>
internal sealed class ScriptedProvider(World world, SimProcess process) : IChatClient
{
    private int _call;

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default
    )
    {
        var schedule = world.Schedule;
        var job = Guid.Parse(messages.Last().Text);
        var watched = world.Referee.Jobs[job];
        watched.ProviderCalls++;
        world.Referee.Require(watched.ProviderCalls <= watched.Claims, "I-13", $"job {Referee.Short(job)} had a call without a claim");
        var call = $"{process.Name}.{++_call}";

        var pieces = schedule.Random.Next(1, 5);
        // The last one that fails may be any, the one before the first included.
        var failsBefore = world.FaultsOn && schedule.Chance(0.3) ? schedule.Random.Next(pieces + 1) : -1;
        for (var piece = 0; piece <= pieces; piece++)
        {
            var pause = world.FaultsOn && schedule.Chance(0.05) ? schedule.Between(5, 15) : schedule.Between(0, 0.8);
            await Task.Delay(pause, process.Clock, cancellationToken);
            if (piece == failsBefore)
            {
                throw Failure();
            }

            if (piece < pieces)
            {
                yield return new ChatResponseUpdate(ChatRole.Assistant, $"[{call}/{piece}]");
            }
        }

        yield return new ChatResponseUpdate(ChatRole.Assistant, [])
        {
            FinishReason = schedule.Chance(0.1) ? ChatFinishReason.Length : ChatFinishReason.Stop,
        };
    }

    private ProviderErrorException Failure() =>
        world.Schedule.Random.Next(10) switch
        {
            < 6 => new ProviderErrorException("scripted", 503, null, null),
            < 9 => new ProviderErrorException("scripted", 429, null, world.Schedule.Between(0.5, 4)),
            _ => new ProviderErrorException("scripted", 400, "invalid_request", null),
        };

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        CancellationToken cancellationToken = default
    ) => throw new NotSupportedException("Jobs stream.");

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose() { }
}
