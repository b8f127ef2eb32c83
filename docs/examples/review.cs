using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = """
    { "type": "chat",
      "input": { "messages": [ { "role": "user", "content": "What does the letter say about the price? \"We ask for 90 EUR.\"" } ] },
      "contract": {
        "schema": { "type": "object", "required": [ "quote" ], "properties": { "quote": { "type": "string" } } },
        "rules": [ { "rule": "cited", "path": "/quote", "severity": "review" } ],
        "review": { "timeout_seconds": 86400, "on_timeout": "reject" } } }
    """;
using var accepted = await api.PostAsync("/api/v1/jobs", JsonContent.Create(JsonDocument.Parse(body)));
accepted.EnsureSuccessStatusCode();
var id = (await accepted.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
while ((await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}")).GetProperty("status").GetString() != "waiting_for_review")
{
    await Task.Delay(500);
}

// The model's quote is not in the letter, so a person decides: for the version that was seen, with a text that keeps the contract.
var review = await api.GetFromJsonAsync<JsonElement>($"/api/v1/reviews/{id}-1");
Console.WriteLine($"wrong: {review.GetProperty("question").GetProperty("check").GetProperty("violations")[0].GetProperty("rule")}");
var decision = new
{
    version = review.GetProperty("version").GetInt32(),
    text = """{"quote":"We ask for 90 EUR."}""",
    comment = "Quoted as written.",
};
using var decided = await api.PostAsJsonAsync($"/api/v1/reviews/{id}-1/approve", decision);
decided.EnsureSuccessStatusCode();
var kind = (await decided.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("decision").GetProperty("kind");

var job = await api.GetFromJsonAsync<JsonElement>($"/api/v1/jobs/{id}");
Console.WriteLine($"{kind}: {job.GetProperty("output").GetProperty("text")}");
