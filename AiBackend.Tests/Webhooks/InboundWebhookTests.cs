using System.Net;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.Core.Jobs;
using AiBackend.Core.Webhooks;
using AiBackend.Core.Webhooks.Inbound;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Peers;

namespace AiBackend.Tests.Webhooks;

/// <summary>A-29: signed messages of others become jobs, once each, and nothing else does.</summary>
public sealed class InboundWebhookTests(ApiServer api) : InboundWebhooks(api), IClassFixture<ApiServer>
{
    private readonly ApiServer _api = api;

    [Fact]
    public async Task A_29_a_message_of_an_independent_sender_becomes_one_job_however_often_it_comes()
    {
        var source = await AddAsync();
        using var sender = await NodePeer.StartAsync(
            "webhook-sender.mjs",
            "standardwebhooks",
            new Uri(_api.Address, source.Path).ToString(),
            source.Secret!,
            "msg_1",
            Body
        );
        var line = await Eventually.GetAsync(
            _ =>
                Task.FromResult(
                    sender.Output.Split('\n').FirstOrDefault(said => said.StartsWith("ANSWER ", StringComparison.Ordinal)) ?? ""
                ),
            said => said.Length > 0,
            "the sender has its answers",
            TimeSpan.FromSeconds(60)
        );

        var answer = JsonDocument.Parse(line[7..]).RootElement;
        Assert.Equal([202, 200], answer.GetProperty("statuses").EnumerateArray().Select(status => status.GetInt32()));
        var receipt = JsonSerializer.Deserialize(answer.GetProperty("answer").GetString()!, WireJson.Default.WebhookReceipt)!;
        Assert.True(receipt.Repeated);
        var job = await JobAsync(receipt.JobId);
        Assert.Equal(("queued", "tickets", "17"), (job.Status, job.Feature, job.Metadata["ticket"]));
        Assert.Equal(["system: Be brief.", "user: Ticket 17: It is broken."], await MessagesAsync(receipt.JobId));
        Assert.Equal(1, await CountAsync(source.Id));
    }

    [Fact]
    public async Task A_29_a_signed_message_is_taken_whatever_becomes_of_a_key_that_its_sender_carries_along()
    {
        var source = await AddAsync();
        var foreign = await _api.AddKeyAsync(Core.Tenancy.ApiKeyStore.DefaultTenant, "jobs:read");
        using var client = SlowContent.Client(_api.Address, foreign);
        using var slow = SlowContent.OfJson(Body);
        using var request = new HttpRequestMessage(HttpMethod.Post, source.Path) { Content = slow };
        foreach (var (name, values) in Sign(source.Secret!, "carried", new string(' ', 8192) + Body))
        {
            request.Headers.TryAddWithoutValidation(name, values);
        }

        var delivered = client.SendAsync(request, TestRun.Cancel);
        await slow.IsHeld;
        await Tenancy.SlowBodyTests.RevokeAsync(_api, foreign);
        slow.Release();

        using var answer = await delivered;
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal(1, await CountAsync(source.Id));
    }

    [Theory]
    [InlineData("signature")]
    [InlineData("other version")]
    [InlineData("no signature")]
    [InlineData("six minutes old")]
    [InlineData("six minutes ahead")]
    [InlineData("no time")]
    [InlineData("time in words")]
    [InlineData("no id")]
    [InlineData("two ids")]
    [InlineData("other id")]
    [InlineData("body written anew")]
    [InlineData("unknown source")]
    [InlineData("disabled source")]
    [InlineData("revoked key")]
    [InlineData("source of a deleted one")]
    public async Task A_29_what_does_not_prove_its_sender_is_refused(string kind)
    {
        var source = await AddAsync();
        var age = kind switch
        {
            "six minutes old" => TimeSpan.FromMinutes(6),
            "six minutes ahead" => TimeSpan.FromMinutes(-6),
            _ => TimeSpan.Zero,
        };
        var (path, headers) = (source.Path, Sign(source.Secret!, "m", Body, age));
        switch (kind)
        {
            case "signature":
                headers["webhook-signature"] = [Sign(WebhookSecret.Create(), "m", Body)["webhook-signature"][0]];
                break;
            case "other version":
                headers["webhook-signature"] = [headers["webhook-signature"][0].Replace("v1,", "v1a,", StringComparison.Ordinal)];
                break;
            case "no signature":
                headers.Remove("webhook-signature");
                break;
            case "no time":
                headers.Remove("webhook-timestamp");
                break;
            case "time in words":
                headers["webhook-timestamp"] = ["now"];
                break;
            case "no id":
                headers.Remove("webhook-id");
                break;
            case "two ids":
                headers["webhook-id"] = ["m", "n"];
                break;
            case "other id":
                headers["webhook-id"] = ["n"];
                break;
            case "unknown source":
                path = path.Replace(source.Id.ToString(), Guid.CreateVersion7().ToString(), StringComparison.Ordinal);
                break;
            case "disabled source":
                using (await SendAsync(await HttpAsync(), HttpMethod.Patch, "/" + source.Id, """{"enabled":false}""")) { }
                break;
            case "revoked key":
                await ExecuteAsync(
                    "UPDATE api_keys SET revoked_at = now() WHERE key_id = (SELECT created_by FROM webhook_sources WHERE id = $1)",
                    source.Id
                );
                break;
            case "source of a deleted one":
                using (await SendAsync(await HttpAsync(), HttpMethod.Delete, "/" + source.Id)) { }
                break;
            default:
                break;
        }

        using var response = await DeliverAsync(
            path,
            headers,
            kind == "body written anew" ? Body.Replace(" ", "", StringComparison.Ordinal) : Body
        );

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/invalid-signature", problem.Type);
        Assert.Equal(0, await CountAsync(source.Id));
    }

    [Fact]
    public async Task A_29_of_several_signatures_one_must_be_valid_and_a_rotated_secret_is_believed_for_a_day()
    {
        var source = await AddAsync();
        var headers = Sign(source.Secret!, "m1", Body);
        headers["webhook-signature"] = [$"v1a,xyz v1,{new string('A', 44)} {headers["webhook-signature"][0]}"];
        using var several = await DeliverAsync(source.Path, headers, Body);
        Assert.Equal(HttpStatusCode.Accepted, several.StatusCode);

        var next = await ReadAsync(await SendAsync(await HttpAsync(), HttpMethod.Post, $"/{source.Id}/rotate"));
        foreach (var (id, secret) in new[] { ("m2", source.Secret!), ("m3", next.Secret!) })
        {
            using var believed = await DeliverAsync(source.Path, Sign(secret, id, Body), Body);
            Assert.Equal(HttpStatusCode.Accepted, believed.StatusCode);
        }

        await ExecuteAsync("UPDATE webhook_sources SET old_until = now() WHERE id = $1", source.Id);
        using var late = await DeliverAsync(source.Path, Sign(source.Secret!, "m4", Body), Body);
        Assert.Equal(HttpStatusCode.Unauthorized, late.StatusCode);
        Assert.Equal(3, await CountAsync(source.Id));
    }

    [Fact]
    public async Task I_3_a_message_that_comes_many_times_at_once_is_one_job()
    {
        var source = await AddAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => ReceiptAsync(source, "same")));

        Assert.Single(answers.Select(answer => answer.JobId).Distinct());
        Assert.Equal(1, await CountAsync(source.Id));
        await JobAsync(answers[0].JobId);
    }

    [Fact]
    public async Task I_3_a_message_whose_job_was_not_made_before_the_process_died_gets_it_when_it_is_sent_again()
    {
        var source = await AddAsync();
        var planned = _api.Get<JobIds>().Next();
        var stored = await _api.Get<SourceStore>().OpenAsync(source.Id, TestRun.Cancel);
        await _api.Get<WebhookReceipts>().ClaimAsync(stored!.Source, "m", planned, TestRun.Cancel);

        Assert.Equal((planned, false), ((await ReceiptAsync(source, "m")) is var first ? (first.JobId, first.Repeated) : default));
        await ExecuteAsync("UPDATE webhook_receipts SET accepted = false WHERE source_id = $1", source.Id);
        Assert.Equal(planned, (await ReceiptAsync(source, "m")).JobId);
        await JobAsync(planned);

        await ExecuteAsync("UPDATE webhook_receipts SET at = now() - interval '7 days 1 minute' WHERE source_id = $1", source.Id);
        await (await _api.WorkerAsync()).Get<WebhookReceipts>().PruneAsync(TestRun.Cancel);
        Assert.NotEqual(planned, (await ReceiptAsync(source, "m")).JobId);
    }

    [Fact]
    public async Task A_29_a_body_of_5_MB_is_cut_off()
    {
        var source = await AddAsync();
        var body = $$"""{"data":"{{new string('x', 5 * 1024 * 1024)}}"}""";

        using var response = await DeliverAsync(source.Path, Sign(source.Secret!, "m", body), body);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }
}
