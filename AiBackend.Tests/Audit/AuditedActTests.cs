using System.Net;
using System.Text.Json;
using AiBackend.Api.Audit;
using AiBackend.Core.Operations;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Audit;

/// <summary>Every administrative act that the API has leaves its row, in its own transaction; a new one without a case here fails.</summary>
public sealed partial class AuditedActTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Body = """{"name":"k","scopes":["jobs:read"]}""";

    private const string Hook = """{"url":"https://hooks.example.com/"}""";

    private const string Source = """{"name":"crm","template":{"prompt":"{{text}}"}}""";

    /// <summary>By operation: what it is about, as the row has it, and how to do it.</summary>
    private static readonly Dictionary<string, (string Kind, Func<AuditedActTests, Task<(HttpStatusCode, JsonElement)>> Act)> Acts = new(
        StringComparer.Ordinal
    )
    {
        ["PauseWork"] = ("control", test => test.PostAsync("/queues/pause", """{"kind":"queue","name":"default","reason":"canary"}""")),
        ["DrainWork"] = ("control", test => test.PostAsync("/queues/drain", """{"kind":"tenant","name":"default"}""")),
        ["ResumeWork"] = (
            "control",
            test => test.AfterAsync("/queues/pause", HttpMethod.Post, "/queues/resume", """{"kind":"model","name":"default"}""")
        ),
        ["PutRoute"] = (
            "routing",
            test => test.SendAsync(HttpMethod.Put, "/routes/r1", """{"targets":[{"provider":"simulator","model":"sim"}]}""")
        ),
        ["DeleteRoute"] = ("routing", test => test.RemoveAsync("/routes/r2", """{"targets":[{"provider":"simulator","model":"sim"}]}""")),
        ["PutDeployment"] = ("routing", test => test.SendAsync(HttpMethod.Put, "/deployments/simulator/m1", "{}")),
        ["DeleteDeployment"] = ("routing", test => test.RemoveAsync("/deployments/simulator/m2", "{}")),
        ["PutCredential"] = (
            "credential",
            test => test.SendAsync(HttpMethod.Put, "/credentials", """{"provider":"simulator","value":"sk-canary-secret"}""")
        ),
        ["DeleteCredential"] = ("credential", test => test.RemoveCredentialAsync()),
        ["AddBudget"] = ("budget", test => test.PostAsync("/budgets", """{"scope":"user","subject":"u1","window":"day","limit_usd":1}""")),
        ["ChangeBudget"] = ("budget", test => test.OnBudgetAsync("u2", HttpMethod.Put, """{"limit_usd":2}""")),
        ["EndBudget"] = ("budget", test => test.OnBudgetAsync("u3", HttpMethod.Delete, null)),
        ["SetPrice"] = (
            "price",
            test => test.SendAsync(HttpMethod.Put, "/prices/simulator/m", """{"input_per_million":1,"output_per_million":2}""")
        ),
        ["EnableProvider"] = ("provider", test => test.EnableAsync()),
        ["ReplayJob"] = ("dead_letter", test => test.OnDeadAsync("replay")),
        ["DiscardDeadLetter"] = ("dead_letter", test => test.OnDeadAsync("discard")),
        ["ReplayDeadLetters"] = ("bulk_action", test => test.PostAsync("/dead-letters/replay", """{"filter":{"model":"none"}}""")),
        ["DiscardDeadLetters"] = ("bulk_action", test => test.PostAsync("/dead-letters/discard", """{"filter":{"model":"none"}}""")),
        ["CancelBulkAction"] = ("bulk_action", test => test.CancelBulkAsync()),
        ["AcknowledgeAlert"] = ("alert", test => test.AcknowledgeAsync()),
        ["DeleteJob"] = ("job", test => test.DeleteJobAsync()),
        ["DeleteTenant"] = ("tenant", test => test.DeleteTenantAsync()),
        ["AddTenant"] = ("tenant", test => test.PostAsync("/tenants", """{"slug":"audited-1","organisation":"default"}""")),
        ["ChangeTenant"] = ("tenant", test => test.ChangeTenantAsync()),
        ["AddOrganisation"] = ("organisation", test => test.PostAsync("/organisations", """{"slug":"audited"}""")),
        ["AddWebhook"] = ("webhook", test => test.PostAsync("/webhooks", Hook)),
        ["ChangeWebhook"] = ("webhook", test => test.OnWebhookAsync(HttpMethod.Patch, "", """{"enabled":false}""")),
        ["DeleteWebhook"] = ("webhook", test => test.OnWebhookAsync(HttpMethod.Delete, "", null)),
        ["RotateWebhookSecret"] = ("webhook", test => test.OnWebhookAsync(HttpMethod.Post, "/rotate", null)),
        ["TestWebhook"] = ("webhook_message", test => test.OnWebhookAsync(HttpMethod.Post, "/test", null)),
        ["ResendDelivery"] = ("webhook_message", test => test.ResendAsync()),
        ["AddUser"] = ("user", test => test.PostAsync("/users", Person("one"))),
        ["ChangeUser"] = ("user", test => test.ChangeUserAsync()),
        ["SignOut"] = ("session", test => test.SignOutAsync()),
        ["AddWebhookSource"] = ("webhook_source", test => test.PostAsync("/webhooks/inbound", Source)),
        ["ChangeWebhookSource"] = ("webhook_source", test => test.OnSourceAsync(HttpMethod.Patch, "", """{"enabled":false}""")),
        ["DeleteWebhookSource"] = ("webhook_source", test => test.OnSourceAsync(HttpMethod.Delete, "", null)),
        ["RotateWebhookSource"] = ("webhook_source", test => test.OnSourceAsync(HttpMethod.Post, "/rotate", null)),
        ["PutDocument"] = ("document", test => test.SendAsync(HttpMethod.Put, Documents, """{"source":"a","text":"t"}""")),
        ["DeleteDocument"] = ("document", test => test.DeleteDocumentAsync()),
        ["DeleteConversation"] = ("conversation", test => test.OnConversationAsync("")),
        ["SetProfile"] = ("profile", test => test.SendAsync(HttpMethod.Put, "/profiles/u1", """{"text":"sk-canary"}""")),
        ["DeleteProfile"] = ("profile", test => test.RemoveAsync("/profiles/u2", """{"text":"sk-canary"}""")),
        ["DeleteMessage"] = ("conversation_message", test => test.OnConversationAsync("/messages/1")),
        ["PutWorkflow"] = ("workflow", test => test.SendAsync(HttpMethod.Put, "/workflows/w1", Steps)),
        ["DeleteWorkflow"] = ("workflow", test => test.RemoveAsync("/workflows/w2", Steps)),
        ["SetTool"] = ("tool", test => test.SendAsync(HttpMethod.Put, "/tools/t1", ClientTool)),
        ["DeleteTool"] = ("tool", test => test.RemoveAsync("/tools/t2", ClientTool)),
        ["AddPrompt"] = ("prompt", test => test.PostAsync("/prompts", Prompt("p1"))),
        ["AddPromptVersion"] = ("prompt_version", test => test.OnPromptAsync("p2", HttpMethod.Post, "/versions", Version)),
        ["SetPromptLabel"] = ("prompt_label", test => test.OnPromptAsync("p3", HttpMethod.Put, "/labels/staging", """{"version":1}""")),
        ["RollBackPromptLabel"] = ("prompt_label", test => test.RollBackAsync()),
        ["ApproveReview"] = ("review", test => test.OnReviewAsync("approve", """{"version":1,"override":true,"comment":"so be it"}""")),
        ["RejectReview"] = ("review", test => test.OnReviewAsync("reject", """{"version":1}""")),
        ["AddKey"] = ("key", test => test.PostAsync("/keys", Body)),
        ["ChangeKey"] = ("key", test => test.OnKeyAsync(HttpMethod.Patch, "", """{"name":"other"}""")),
        ["RollKey"] = ("key", test => test.OnKeyAsync(HttpMethod.Post, "/roll", null)),
        ["RevokeKey"] = ("key", test => test.OnKeyAsync(HttpMethod.Delete, "", null)),
    };

    [Fact]
    public async Task D_18_every_act_that_needs_a_scope_of_administration_leaves_a_row_that_says_who_did_what()
    {
        var operations = api.Get<EndpointDataSource>()
            .Endpoints.Where(AuditedRequests.IsAudited)
            .Select(endpoint => endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()!.EndpointName)
            .ToList();
        Assert.Equal(operations.Order(StringComparer.Ordinal), Acts.Keys.Order(StringComparer.Ordinal));
        var actor = ApiKey.TryParse(api.Key)!.Id;

        foreach (var operation in operations)
        {
            var (kind, act) = Acts[operation];
            var (status, answer) = await act(this);

            Assert.True((int)status is >= 200 and < 300, $"{operation} answered {status}: {answer}");
            var action = JsonNamingPolicy.SnakeCaseLower.ConvertName(operation);
            var row = (await ListAsync($"tenant=*&action={action}&kind={kind}")).FirstOrDefault();
            Assert.True(row.ValueKind == JsonValueKind.Object, $"{operation} left no row.");
            Assert.Equal(
                (
                    operation == "SignOut"
                        ? row.GetProperty("before").GetProperty("user_id").GetGuid() is var id
                            ? $"usr_{id:N}"
                            : ""
                        : actor,
                    operation switch
                    {
                        "AddTenant" => "audited-1",
                        "DeleteTenant" => "audited-3",
                        _ => "default",
                    },
                    "127.0.0.1"
                ),
                (
                    row.GetProperty("actor").GetString(),
                    row.GetProperty("tenant").GetString(),
                    row.GetProperty("address").GetString()?.Replace("::ffff:", "", StringComparison.Ordinal)
                )
            );
            Assert.Matches("^[0-9a-f]{32}$", row.GetProperty("request_id").GetString());
            Assert.True(
                row.GetProperty("before").ValueKind == JsonValueKind.Object || row.GetProperty("after").ValueKind == JsonValueKind.Object,
                $"{operation} does not say what changed."
            );
        }

        var all = await api.Http.GetStringAsync("/api/v1/audit?limit=200&tenant=*", TestRun.Cancel);
        Assert.DoesNotContain("sk-canary", all, StringComparison.Ordinal);
        Assert.DoesNotContain("\"hash\"", all, StringComparison.Ordinal);
        Assert.DoesNotContain("pbkdf2", all, StringComparison.Ordinal);
        Assert.DoesNotContain("sealed", all, StringComparison.Ordinal);
        Assert.DoesNotContain("secret\":", all, StringComparison.Ordinal);
        var verdict = await SendAsync(HttpMethod.Get, "/audit/verification", null);
        Assert.True(verdict.Item2.GetProperty("intact").GetBoolean());
    }

    private async Task<List<JsonElement>> ListAsync(string query)
    {
        var (_, page) = await SendAsync(HttpMethod.Get, "/audit?" + query, null);
        return [.. page.GetProperty("data").EnumerateArray()];
    }

    private Task<(HttpStatusCode, JsonElement)> SendAsync(HttpMethod method, string path, string? body) =>
        Tenancy.KeyApiTests.SendAsync(api.Http, method, "/api/v1" + path, body);

    private Task<(HttpStatusCode, JsonElement)> PostAsync(string path, string? body) => SendAsync(HttpMethod.Post, path, body);

    private async Task<(HttpStatusCode, JsonElement)> AfterAsync(string before, HttpMethod method, string path, string body)
    {
        await PostAsync(before, body);
        return await SendAsync(method, path, body);
    }

    private async Task<(HttpStatusCode, JsonElement)> RemoveAsync(string path, string body)
    {
        await SendAsync(HttpMethod.Put, path, body);
        return await SendAsync(HttpMethod.Delete, path, null);
    }

    private async Task<(HttpStatusCode, JsonElement)> RemoveCredentialAsync()
    {
        await SendAsync(HttpMethod.Put, "/credentials", """{"provider":"simulator","model":"other","value":"sk-canary-secret"}""");
        return await SendAsync(HttpMethod.Delete, "/credentials?provider=simulator&model=other", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnBudgetAsync(string user, HttpMethod method, string? body)
    {
        var (_, made) = await PostAsync("/budgets", $$"""{"scope":"user","subject":"{{user}}","window":"day","limit_usd":1}""");
        return await SendAsync(method, "/budgets/" + made.GetProperty("id").GetString(), body);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnKeyAsync(HttpMethod method, string path, string? body)
    {
        var (_, made) = await PostAsync("/keys", Body);
        return await SendAsync(method, $"/keys/{made.GetProperty("id").GetString()}{path}", body);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnWebhookAsync(HttpMethod method, string path, string? body)
    {
        var (_, made) = await PostAsync("/webhooks", Hook);
        return await SendAsync(method, $"/webhooks/{made.GetProperty("id").GetString()}{path}", body);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnSourceAsync(HttpMethod method, string path, string? body)
    {
        var (_, made) = await PostAsync("/webhooks/inbound", Source);
        return await SendAsync(method, $"/webhooks/inbound/{made.GetProperty("id").GetString()}{path}", body);
    }

    private async Task<(HttpStatusCode, JsonElement)> ResendAsync()
    {
        var (_, made) = await PostAsync("/webhooks", Hook);
        var webhook = "/webhooks/" + made.GetProperty("id").GetString();
        var (_, sent) = await PostAsync(webhook + "/test", null);
        var id = Guid.ParseExact(sent.GetProperty("id").GetString()![4..], "N");
        // As if it had been tried: sending what was never tried again changes nothing.
        await using var tried = api.Db.Source.CreateCommand("UPDATE webhook_deliveries SET tries = 1 WHERE id = $1");
        tried.Parameters.AddWithValue(id);
        await tried.ExecuteNonQueryAsync(TestRun.Cancel);
        return await PostAsync($"{webhook}/deliveries/{sent.GetProperty("id").GetString()}/resend", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> ChangeTenantAsync()
    {
        await PostAsync("/tenants", """{"slug":"audited-2","organisation":"default"}""");
        var (status, answer) = await SendAsync(HttpMethod.Patch, "/tenants/default", """{"name":"Ours"}""");
        return (status, answer);
    }

    private async Task<(HttpStatusCode, JsonElement)> DeleteJobAsync() =>
        await SendAsync(HttpMethod.Delete, $"/jobs/{await DieAsync()}", null);

    private async Task<(HttpStatusCode, JsonElement)> DeleteTenantAsync()
    {
        await PostAsync("/tenants", """{"slug":"audited-3","organisation":"default"}""");
        return await PostAsync("/tenants/audited-3/deletion", """{"confirm":"audited-3","reason":"over"}""");
    }

    private static string Person(string name) => $$"""{"email":"{{name}}@audit.example","role":"viewer","password":"canary password"}""";

    private async Task<(HttpStatusCode, JsonElement)> ChangeUserAsync()
    {
        var (_, made) = await PostAsync("/users", Person("two"));
        return await SendAsync(
            HttpMethod.Patch,
            $"/users/{made.GetProperty("id").GetString()}",
            """{"role":"member","password":"another canary"}"""
        );
    }

    private async Task<(HttpStatusCode, JsonElement)> SignOutAsync()
    {
        await PostAsync("/users", Person("three"));
        var (_, begun) = await PostAsync("/sessions", """{"email":"three@audit.example","password":"canary password"}""");
        using var client = api.Client(begun.GetProperty("token").GetString());
        return await Tenancy.KeyApiTests.SendAsync(client, HttpMethod.Delete, "/api/v1/sessions/current");
    }

    private async Task<(HttpStatusCode, JsonElement)> EnableAsync()
    {
        await api.Get<RefusedKeyStore>().AddAsync([("simulator", "some")], TestRun.Cancel);
        return await PostAsync("/providers/simulator/enable", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> OnDeadAsync(string act)
    {
        var dead = await DieAsync();
        return await PostAsync($"/jobs/{dead}/{act}", null);
    }

    private async Task<Guid> DieAsync()
    {
        var core = await api.WorkerAsync();
        return await core.DieAsync();
    }

    private async Task<(HttpStatusCode, JsonElement)> CancelBulkAsync()
    {
        await DieAsync();
        var (_, begun) = await PostAsync("/dead-letters/replay", """{"filter":{}}""");
        return await PostAsync($"/bulk/{begun.GetProperty("id").GetString()}/cancel", null);
    }

    private async Task<(HttpStatusCode, JsonElement)> AcknowledgeAsync()
    {
        await using var insert = api.Db.Source.CreateCommand(
            "INSERT INTO alerts (tenant_id, rule, cause, value, message) VALUES ($1, 'dead_letter_depth', 'x', 1, 'm') RETURNING id"
        );
        insert.Parameters.AddWithValue(ApiKeyStore.DefaultTenant);
        return await PostAsync($"/alerts/{await insert.ExecuteScalarAsync(TestRun.Cancel)}/acknowledge", null);
    }
}
