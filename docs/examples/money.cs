using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

// At most 20 dollars a day for a feature: what is beyond waits until tomorrow, and none of it fails.
var wanted = new
{
    scope = "feature",
    subject = "translations",
    window = "day",
    limit_usd = 20m,
    thresholds = new[] { 80, 100 },
};
using var made = await api.PostAsJsonAsync("/api/v1/budgets", wanted);
made.EnsureSuccessStatusCode();
var budget = await made.Content.ReadFromJsonAsync<JsonElement>();
Console.WriteLine($"{budget.GetProperty("spent_usd")} of {budget.GetProperty("limit_usd")} US dollars spent");

// Who spent what on which model.
var usage = await api.GetFromJsonAsync<JsonElement>("/api/v1/usage?group_by=feature,model");
foreach (var row in usage.GetProperty("data").EnumerateArray())
{
    Console.WriteLine(
        $"{row.GetProperty("feature")} {row.GetProperty("model")}: {row.GetProperty("calls")} calls, {row.GetProperty("cost_usd")} US dollars"
    );
}

// Without the budget whoever waits for it goes on.
using var ended = await api.DeleteAsync($"/api/v1/budgets/{budget.GetProperty("id")}");
ended.EnsureSuccessStatusCode();
