using System.Net;
using System.Text.Json;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;
using static AiBackend.Tests.Tenancy.KeyApiTests;

namespace AiBackend.Tests.Api;

/// <summary>What every role is shown by everything that can be read: what the document lists, and nothing of how it is done.</summary>
public sealed class AnswerMembersTests(ApiServer api) : IClassFixture<ApiServer>
{
    /// <summary>What no answer has as a member, whatever the document says. Who owns a lease, and how a door is locked, is nobody's business.</summary>
    private static readonly string[] Internal =
    [
        "epoch",
        "lease_epoch",
        "lease_until",
        "worker",
        "worker_id",
        "owner",
        "holder",
        "held_until",
        "hash",
        "key_hash",
        "password",
        "secret",
        "old_secret",
        "token",
        "value",
        "credential_id",
        "provider_key",
        "provider_key_id",
        "organisation_id",
        "sealed",
        "idempotency_key",
        "trace_parent",
    ];

    /// <summary>Members that are called so and are something else: how many letters an alert counts, where the audit log stands, and what operators list anyway.</summary>
    private static readonly string[] Harmless =
    [
        "/api/v1/alerts data[].value to viewer",
        "/api/v1/alerts data[].value to member",
        "/api/v1/alerts data[].value to operator",
        "/api/v1/alerts data[].value to admin",
        "/api/v1/audit/verification hash to operator",
        "/api/v1/audit/verification hash to admin",
        "/api/v1/jobs/{id}/trace attempts[].worker to viewer",
        "/api/v1/jobs/{id}/trace attempts[].worker to member",
        "/api/v1/jobs/{id}/trace attempts[].worker to operator",
        "/api/v1/jobs/{id}/trace attempts[].worker to admin",
    ];

    /// <summary>What even an administrator is not shown here, and why: all the rest is.</summary>
    private static readonly string[] Unshown =
    [
        // Bytes as they were sent.
        "/api/v1/files/{id}/content",
        // Nobody has asked for that.
        "/api/v1/tenants/{slug}/deletion",
    ];

    [Fact]
    public async Task A_16_every_role_is_shown_what_the_document_lists_and_nothing_internal()
    {
        var tenant = await PlantedTenant.AddAsync(api, api.Key, "planted");
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var faults = new SortedSet<string>(StringComparer.Ordinal);
        var shown = new Dictionary<string, int>(StringComparer.Ordinal);
        var unseen = new List<string>();

        foreach (var (role, client) in await RolesAsync())
        {
            foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
            {
                if (!path.Value.TryGetProperty("get", out var operation) || path.Name.EndsWith("/export", StringComparison.Ordinal))
                {
                    continue;
                }

                if (await ReadAsync(client, AddressOf(path.Name, tenant)) is not { } answer)
                {
                    unseen.AddRange(role == "admin" ? [path.Name] : []);
                    continue;
                }

                shown[role] = shown.GetValueOrDefault(role) + 1;
                var schema = operation.GetProperty("responses").GetProperty("200").GetProperty("content").GetProperty("application/json");
                faults.UnionWith(
                    Members(answer, schema.GetProperty("schema"), document.RootElement, "")
                        .Where(member => !member.IsListed || (!member.IsNull && Internal.Contains(member.Name)))
                        .Select(member => $"{path.Name} {member.Place} to {role}")
                        .Except(Harmless)
                );
            }
        }

        Assert.True(faults.Count == 0, string.Join('\n', faults));
        Assert.Equal(Unshown.Order(StringComparer.Ordinal), unseen.Order(StringComparer.Ordinal));
        Assert.True(shown["viewer"] < shown["operator"] && shown["operator"] <= shown["admin"], string.Join(' ', shown));
        Assert.True(shown["viewer"] > 20 && shown["admin"] > 40, string.Join(' ', shown));
    }

    [Fact]
    public async Task A_16_the_wire_of_OpenAI_has_nothing_internal_either()
    {
        var key = await api.AddTenantAsync();
        var tenant = await PlantedTenant.AddAsync(api, key, "planted");
        using var http = api.Client(key);

        foreach (
            var path in (string[])
                [
                    "/v1/models",
                    "/v1/models/default",
                    "/v1/files",
                    $"/v1/files/{tenant.Ids["/file"]}",
                    "/v1/batches",
                    $"/v1/batches/{tenant.Ids["/batches"]}",
                    $"/v1/responses/{tenant.Ids["/responses"]}",
                    $"/v1/responses/{tenant.Ids["/responses"]}/input_items",
                ]
        )
        {
            var answer = await ReadAsync(http, path);
            Assert.NotNull(answer);
            Assert.Empty(Names(answer.Value).Intersect(Internal, StringComparer.Ordinal));
            Assert.DoesNotContain("simulator", answer.Value.GetRawText(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_16_which_worker_ran_a_job_is_told_to_operators_who_may_list_workers_and_to_no_tenant()
    {
        var key = await api.AddTenantAsync();
        using var tenant = api.Client(key);
        var core = await api.WorkerAsync();
        using var reader = api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read"));
        var (theirs, own) = (await RunAsync(tenant), await RunAsync(api.Http));
        await PlantedTenant.ScalarAsync<int>(
            api,
            "INSERT INTO workers (id, name, slots, busy) VALUES ($1, 'host/1', 1, 0) ON CONFLICT (id) DO UPDATE SET name = 'host/1' RETURNING 1",
            core.WorkerId
        );

        foreach (
            var (client, job, told) in ((HttpClient, Guid, string?)[])
                [(tenant, theirs, null), (reader, own, null), (api.Http, own, "host/1")]
        )
        {
            var trace = await ReadAsync(client, $"/api/v1/jobs/{job}/trace");
            Assert.Equal(told, Assert.Single(trace!.Value.GetProperty("attempts").EnumerateArray()).GetProperty("worker").GetString());
        }

        async Task<Guid> RunAsync(HttpClient http)
        {
            using var accepted = await ApiServer.PostAsync(http, System.Text.Encoding.UTF8.GetBytes(ApiServer.Chat));
            var id = (await ApiServer.ReadJobAsync(accepted)).Id;
            await core.EndAsync(id, AttemptEnd.Succeeded("Done."));
            return id;
        }
    }

    private static IEnumerable<string> Names(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.Array => value.EnumerateArray().SelectMany(Names),
            JsonValueKind.Object => value.EnumerateObject().SelectMany(member => Names(member.Value).Prepend(member.Name)),
            _ => [],
        };

    /// <summary>A session of each role, and a key that reads jobs.</summary>
    private async Task<IReadOnlyList<(string Role, HttpClient Client)>> RolesAsync()
    {
        List<(string, HttpClient)> roles = [("key", api.Client(await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "jobs:read")))];
        foreach (var role in UserRoles.All)
        {
            var login = $$"""{"email":"{{role}}@members.example","password":"a long password"}""";
            await SendAsync(api.Http, HttpMethod.Post, "/api/v1/users", login.Insert(1, $"\"role\":\"{role}\","));
            var begun = await SendAsync(api.Http, HttpMethod.Post, "/api/v1/sessions", login);
            roles.Add((role, api.Client(begun.Body.GetProperty("token").GetString())));
        }

        return roles;
    }

    private static string AddressOf(string path, PlantedTenant tenant)
    {
        var id = path.EndsWith("/steps", StringComparison.Ordinal)
            ? tenant.Ids["/runs"]
            : tenant
                .Ids.Where(made => path.StartsWith("/api/v1" + made.Key + "/{", StringComparison.Ordinal))
                .OrderByDescending(made => made.Key.Length)
                .FirstOrDefault()
                .Value;
        return
            path.Replace("{id}", id, StringComparison.Ordinal)
                .Replace("{fingerprint}", id, StringComparison.Ordinal)
                .Replace("{version}", "1", StringComparison.Ordinal)
                .Replace("{label}", "production", StringComparison.Ordinal)
                .Replace("{slug}", "default", StringComparison.Ordinal)
                .Replace("{provider}/{model}", "simulator/sim", StringComparison.Ordinal)
                .Replace("/routes/{name}", "/routes/default", StringComparison.Ordinal)
                .Replace("/diff", "/diff?from=1&to=1", StringComparison.Ordinal)
                is var known
            ? ApiCalls.Fill(known, PlantedTenant.Name)
            : path;
    }

    /// <returns>Null when it is refused or is no JSON.</returns>
    private static async Task<JsonElement?> ReadAsync(HttpClient client, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Add("Accept", "application/json");
        using var response = await client.SendAsync(request, TestRun.Cancel);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.StatusCode is HttpStatusCode.OK or HttpStatusCode.Forbidden or HttpStatusCode.NotFound, $"{path}: {body}");
        return response.IsSuccessStatusCode && response.Content.Headers.ContentType?.MediaType is "application/json"
            ? JsonElement.Parse(body)
            : null;
    }

    /// <summary>Every member of an answer, and whether its schema has it.</summary>
    private static IEnumerable<(string Name, string Place, bool IsListed, bool IsNull)> Members(
        JsonElement value,
        JsonElement schema,
        JsonElement document,
        string place
    )
    {
        var shapes = Shapes(schema, document).ToList();
        if (value.ValueKind is JsonValueKind.Array)
        {
            var items = shapes.Where(shape => shape.TryGetProperty("items", out _)).Select(shape => shape.GetProperty("items")).ToList();
            return items.Count == 0 ? [] : value.EnumerateArray().SelectMany(item => Members(item, items[0], document, place + "[]"));
        }

        // What has no members of its own is whatever its maker sent: a schema, metadata, an answer.
        if (value.ValueKind is not JsonValueKind.Object || !shapes.Exists(shape => shape.TryGetProperty("properties", out _)))
        {
            return [];
        }

        return value
            .EnumerateObject()
            .SelectMany(member =>
            {
                var known = shapes
                    .Where(shape => shape.TryGetProperty("properties", out var all) && all.TryGetProperty(member.Name, out _))
                    .Select(shape => shape.GetProperty("properties").GetProperty(member.Name))
                    .ToList();
                var at = place.Length == 0 ? member.Name : $"{place}.{member.Name}";
                return known
                    .Take(1)
                    .SelectMany(shape => Members(member.Value, shape, document, at))
                    .Prepend((member.Name, at, known.Count > 0, member.Value.ValueKind is JsonValueKind.Null));
            });
    }

    /// <summary>A schema and all that it refers to or chooses from.</summary>
    private static IEnumerable<JsonElement> Shapes(JsonElement schema, JsonElement document)
    {
        if (schema.TryGetProperty("$ref", out var reference))
        {
            return Shapes(
                document.GetProperty("components").GetProperty("schemas").GetProperty(reference.GetString()!.Split('/')[^1]),
                document
            );
        }

        return ((string[])["oneOf", "anyOf", "allOf"])
            .Where(choice => schema.TryGetProperty(choice, out _))
            .SelectMany(choice => schema.GetProperty(choice).EnumerateArray())
            .SelectMany(each => Shapes(each, document))
            .Prepend(schema);
    }
}
