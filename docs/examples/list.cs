using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

// What did not go well, newest first; a minus sign negates. The cursor is where the next page begins.
const string Filter = "/api/v1/jobs?status=-completed&status=-cancelled&feature=support-summary&limit=50";
for (var address = Filter; address is not null; )
{
    var page = await api.GetFromJsonAsync<JsonElement>(address);
    foreach (var job in page.GetProperty("data").EnumerateArray())
    {
        Console.WriteLine($"{job.GetProperty("id")} {job.GetProperty("status")} {job.GetProperty("created_at")}");
    }

    var next = page.GetProperty("next_cursor").GetString();
    address = next is null ? null : $"{Filter}&cursor={Uri.EscapeDataString(next)}";
}
