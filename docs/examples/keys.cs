using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

async Task<JsonElement> PostAsync(string path, object body)
{
    using var answer = await api.PostAsJsonAsync(path, body);
    answer.EnsureSuccessStatusCode();
    return await answer.Content.ReadFromJsonAsync<JsonElement>();
}

var wanted = new
{
    name = "web shop",
    scopes = new[] { "jobs:read", "jobs:write" },
    expires_in_days = 90,
    limits = new { requests_per_minute = 600 },
};
var key = await PostAsync("/api/v1/keys", wanted);
Console.WriteLine($"Keep it, it is shown this once: {key.GetProperty("value")}");

// Another key that may do the same; the old one is accepted for an hour more.
var next = await PostAsync($"/api/v1/keys/{key.GetProperty("id")}/roll", new { overlap_seconds = 3600 });

// Refused everywhere within 5 s.
using var revoked = await api.DeleteAsync($"/api/v1/keys/{next.GetProperty("id")}");
revoked.EnsureSuccessStatusCode();
var now = await api.GetFromJsonAsync<JsonElement>($"/api/v1/keys/{next.GetProperty("id")}");
Console.WriteLine($"{now.GetProperty("id")} is {now.GetProperty("status")}");
