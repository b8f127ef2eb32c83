using System.Text.Json;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Webhooks;

/// <summary>What the receiver of a webhook saw, and how it judged it.</summary>
internal sealed record ReceivedWebhook(string? Error, int Status, string? Path, string? Id, string? Message)
{
    /// <summary>What webhook-receiver.mjs has written, when it is as many as expected.</summary>
    public static Task<List<ReceivedWebhook>> ReadAsync(ChildProcess receiver, int count) =>
        Eventually.GetAsync(
            _ =>
                Task.FromResult(
                    receiver
                        .Output.Split('\n')
                        .Where(line => line.StartsWith('{'))
                        .Select(line => JsonSerializer.Deserialize<ReceivedWebhook>(line, JsonSerializerOptions.Web)!)
                        .ToList()
                ),
            received => received.Count == count,
            $"the receiver has seen {count}",
            TimeSpan.FromSeconds(60)
        );
}
