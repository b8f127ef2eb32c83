using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Reviews;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Jobs;
using AiBackend.Core.Jobs.Waits;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Tenancy;

/// <summary>A tenant that has one of everything, with the same words wherever words may stand.</summary>
/// <param name="api">Where it lives.</param>
/// <param name="key">Its key.</param>
/// <param name="words">What stands everywhere: at most 60 characters.</param>
internal sealed partial class PlantedTenant(ApiServer api, string key, string words)
{
    /// <summary>What is named by its owner, and the same for every tenant.</summary>
    public const string Name = "planted";

    private readonly HttpClient _http = api.Client(key);

    /// <summary>What was made, by the address that lists or reads it.</summary>
    public Dictionary<string, string> Ids { get; } = new(StringComparer.Ordinal);

    public static async Task<PlantedTenant> AddAsync(ApiServer api, string key, string words)
    {
        var tenant = new PlantedTenant(api, key, words);
        await tenant.AskAsync();
        await tenant.KeepAsync();
        await tenant.SpendAsync();
        return tenant;
    }

    /// <summary>The tenant of a key.</summary>
    public static Task<Guid> IdAsync(ApiServer api, string key) =>
        ScalarAsync<Guid>(api, "SELECT tenant_id FROM api_keys WHERE key_id = $1", ApiKey.TryParse(key)!.Id);

    public static async Task<T> ScalarAsync<T>(ApiServer api, string sql, params IEnumerable<object> values)
    {
#pragma warning disable CA2100 // Constants of the tests.
        await using var command = api.Db.Source.CreateCommand(sql);
#pragma warning restore CA2100
        foreach (var value in values)
        {
            command.Parameters.AddWithValue(value);
        }

        return (T)(await command.ExecuteScalarAsync(TestRun.Cancel))!;
    }

    /// <summary>Jobs in every state that keeps words: one that went well, a dead letter, a review, a run, a response, a batch.</summary>
    private async Task AskAsync()
    {
        var core = await api.WorkerAsync();
        var done = await SubmitAsync();
        using (var running = await core.ClaimAsync(done))
        {
            running.AppendText(words);
            Assert.True(await running.EndAsync(AttemptEnd.Succeeded(words)));
        }

        var dead = await SubmitAsync();
        await core.EndAsync(dead, AttemptEnd.FailedForGood(new JobError("provider_timeout", "transient", words, true)));
        await core.Get<LabelDeadLetters>().RunAsync(TestRun.Cancel);
        (Ids["/jobs"], Ids["/dead"]) = ($"{done}", $"{dead}");
        Ids["/dead-letters"] = await core.FingerprintAsync(dead);
        Ids["/reviews"] = await ReviewAsync(core) + "-1";
        Ids["/runs"] = $"{await RunAsync(core)}";
        Ids["/responses"] = await MakeAsync(
            "/v1/responses",
            new
            {
                model = "default",
                input = words,
                background = true,
                metadata = new { x = words },
            }
        );
        Ids["/bulk"] = await MakeAsync("/api/v1/dead-letters/discard", new { filter = new { model = words } });
    }

    private async Task<Guid> ReviewAsync(CoreHost core)
    {
        var job = await SubmitAsync("""{"schema":{"type":"object","required":["total"]},"on_violation":"review"}""");
        var check = new ContractCheck { Verdict = Verdicts.Schema, Violations = [new("/total", "type", words)] };
        var question = JsonSerializer.Serialize(
            new ReviewQuestion(ReviewReasons.Contract) { Check = check },
            WireJson.Default.ReviewQuestion
        );
        using var running = await core.ClaimAsync(job);
        Assert.True(
            await running.EndAsync(
                AttemptEnd.AskedForReview(new(question, null, WaitDefault.Reject), JsonSerializer.Serialize(words)) with
                {
                    Checks = [check],
                }
            )
        );
        return job;
    }

    private async Task<Guid> RunAsync(CoreHost core)
    {
        var steps = new object[]
        {
            new
            {
                name = "ask",
                type = "chat",
                messages = new[] { new { role = "user", content = words } },
            },
            new
            {
                name = "rest",
                type = "timer",
                seconds = 1,
            },
        };
        await SendAsync(HttpMethod.Put, $"/api/v1/workflows/{Name}", new { description = words, steps });
        var run = Guid.Parse(
            await MakeAsync($"/api/v1/workflows/{Name}/runs", new { input = new { a = words }, metadata = new { x = words } })
        );
        await ScalarAsync<int>(
            api,
            """
            INSERT INTO workflow_steps (run_id, name, tenant_id, state, type, output, error, ended_at)
            VALUES ($1, 'ask', $2, 3, 'chat', to_json($3::text)::text, $3, now()) RETURNING 1
            """,
            run,
            await IdAsync(api, key),
            words
        );
        await core.EndAsync(run, AttemptEnd.FailedForGood(new JobError("step_failed", "workflow", words, false)));
        return run;
    }

    /// <summary>What is kept beside jobs.</summary>
    private async Task KeepAsync()
    {
        var messages = new[] { new { role = "user", content = words } };
        Ids["/prompts"] = Name;
        await SendAsync(
            HttpMethod.Post,
            "/api/v1/prompts",
            new
            {
                name = Name,
                description = words,
                note = words,
                template = new { messages },
            }
        );
        await SendAsync(HttpMethod.Put, $"/api/v1/prompts/{Name}/labels/production", new { version = 1 });
        await SendAsync(
            HttpMethod.Put,
            $"/api/v1/tools/{Name}",
            new
            {
                kind = "client",
                effect = "external_wait",
                description = words,
                parameters = new { type = "object" },
            }
        );
        await SendAsync(
            HttpMethod.Put,
            $"/api/v1/knowledge/{Name}/documents",
            new
            {
                source = words,
                title = words,
                text = words,
            }
        );
        await SendAsync(HttpMethod.Put, $"/api/v1/profiles/{Name}", new { text = words });
        Ids["/conversations"] = await MakeAsync(
            "/api/v1/conversations",
            new
            {
                title = words,
                instructions = words,
                user = words,
                messages,
            }
        );
        Ids["/keys"] = await MakeAsync("/api/v1/keys", new { name = words, scopes = new[] { "jobs:read" } });
        Ids["/budgets"] = await MakeAsync(
            "/api/v1/budgets",
            new
            {
                scope = "feature",
                subject = words,
                window = "day",
                limit_usd = 1,
            }
        );
        Ids["/webhooks"] = await MakeAsync(
            "/api/v1/webhooks",
            new { url = "https://hooks.example.com/?" + Uri.EscapeDataString(words), description = words }
        );
        await SendAsync(HttpMethod.Post, $"/api/v1/webhooks/{Ids["/webhooks"]}/test", null);
        Ids["/webhooks/inbound"] = await MakeAsync(
            "/api/v1/webhooks/inbound",
            new { name = words, template = new { prompt = words, system = words } }
        );
        // One file, which each of the two APIs names in its own way.
        Ids["/file"] = await UploadAsync("user_data", words);
        Ids["/files"] = $"{Guid.ParseExact(Ids["/file"]["file-".Length..], "N")}";
        var line = JsonSerializer.Serialize(
            new
            {
                custom_id = words,
                method = "POST",
                url = "/v1/chat/completions",
                body = new { model = "default", messages },
            }
        );
        var lines = Ids["/lines"] = await UploadAsync("batch", line);
        Ids["/batches"] = await MakeAsync(
            "/v1/batches",
            new
            {
                input_file_id = lines,
                endpoint = "/v1/chat/completions",
                completion_window = "24h",
                metadata = new { x = words },
            }
        );
    }

    /// <summary>What calls cost, an answer that equal jobs share, and what calls for a person.</summary>
    private async Task SpendAsync()
    {
        var tenant = await IdAsync(api, key);
        await ScalarAsync<int>(
            api,
            """
            INSERT INTO usage_days (day, tenant_id, key_id, end_user, feature, provider, model, calls, unpriced_calls, unknown_calls,
                                    input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_usd, unknown_usd)
            VALUES (current_date, $1, 'k', $2, $2, $2, $2, 1, 0, 0, 1, 0, 1, 0, 1, 0) RETURNING 1
            """,
            tenant,
            words
        );
        Ids["/alerts"] =
            $"{await ScalarAsync<Guid>(
            api,
            "INSERT INTO alerts (tenant_id, rule, cause, value, message) VALUES ($1, 'dead_letter_depth', $2, 1, $2) RETURNING id",
            tenant,
            words
        )}";
    }
}
