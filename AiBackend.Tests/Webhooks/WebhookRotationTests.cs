using System.Globalization;
using System.Text;
using AiBackend.Core.Jobs;
using AiBackend.Core.Webhooks;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Webhooks;

/// <summary>A secret is replaced while messages go on.</summary>
public sealed class WebhookRotationTests(PostgresServer postgres, RedisServer redis)
    : TenantWebhooks(postgres, redis),
        IClassFixture<RedisServer>
{
    [Fact]
    public async Task D_12_after_a_rotation_both_secrets_are_believed_for_a_day_and_then_the_new_one_only()
    {
        var heads = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var target = Keeping(heads);
        var address = new Uri($"http://127.0.0.1:{target.Port}/");
        var endpoint = await AddAsync(address.ToString());
        var next = WebhookSecret.Create();
        await Core.Get<EndpointStore>().RotateAsync(endpoint.TenantId, endpoint.Id, next, TestRun.Cancel);
        Assert.Equal(
            1,
            await Core.ScalarAsync<int>(
                "SELECT count(*) FROM webhook_endpoints WHERE old_until BETWEEN now() + interval '23 hours' AND now() + interval '24 hours'"
            )
        );

        await EndAsync(AttemptEnd.Succeeded("A."));
        await SendAsync(address);
        await Core.ExecuteAsync("UPDATE webhook_endpoints SET old_until = now() - interval '1 second' WHERE id = @id", endpoint.Id);
        await EndAsync(AttemptEnd.Succeeded("B."));
        await SendAsync(address);

        Assert.Equal([2, 1], heads.Select(head => Signatures(head).Count));
        Assert.Equal(Expected(heads.First(), next, Secret), Signatures(heads.First()));
        Assert.Equal(Expected(heads.Last(), next), Signatures(heads.Last()));
    }

    private static TcpTarget Keeping(System.Collections.Concurrent.ConcurrentQueue<string> heads) =>
        new(
            async (stream, stop) =>
            {
                var buffer = new byte[64 * 1024];
                var text = "";
                while (!text.Contains("\"object\"", StringComparison.Ordinal))
                {
                    text += Encoding.UTF8.GetString(buffer, 0, await stream.ReadAsync(buffer, stop));
                }

                heads.Enqueue(text);
                await TcpTarget.WriteAsync(stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", stop);
            }
        );

    private static List<string> Signatures(string head) => [.. Header(head, "webhook-signature").Split(' ').Order(StringComparer.Ordinal)];

    private static List<string> Expected(string head, params string[] secrets) =>
        [
            .. secrets
                .Select(secret =>
                    WebhookSecret
                        .TryParse(secret)!
                        .Sign(
                            Header(head, "webhook-id"),
                            long.Parse(Header(head, "webhook-timestamp"), CultureInfo.InvariantCulture),
                            head[(head.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]
                        )
                )
                .Order(StringComparer.Ordinal),
        ];

    private static string Header(string head, string name) =>
        head.Split("\r\n").Single(line => line.StartsWith(name + ":", StringComparison.Ordinal))[(name.Length + 2)..];
}
