using System.Net.Http.Json;
using System.Text.Json;

using var api = new HttpClient { BaseAddress = new(Environment.GetEnvironmentVariable("AIBACKEND_URL")!) };
api.DefaultRequestHeaders.Authorization = new("Bearer", Environment.GetEnvironmentVariable("AIBACKEND_KEY"));

var body = """
    { "type": "chat",
      "input": { "messages": [ { "role": "user", "content": "Invoice 7: ACME Ltd owes 120.50 EUR for two lamps." } ] },
      "contract": {
        "schema": { "type": "object", "required": [ "customer", "total", "currency" ], "additionalProperties": false,
                    "properties": { "customer": { "type": "string" }, "total": { "type": "number" },
                                    "currency": { "enum": [ "EUR", "USD" ] } } },
        "rules": [ { "rule": "range", "path": "/total", "min": 0, "max": 10000 } ],
        "on_violation": "repair" } }
    """;
using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/jobs") { Content = JsonContent.Create(JsonDocument.Parse(body)) };
request.Headers.Add("Prefer", "wait=30");
using var answer = await api.SendAsync(request);
answer.EnsureSuccessStatusCode();
var job = await answer.Content.ReadFromJsonAsync<JsonElement>();

// output.json is there when the contract was kept, and only then.
var invoice = job.GetProperty("output").GetProperty("json");
var firstPass = job.GetProperty("contract").GetProperty("first_pass");
Console.WriteLine($"{invoice.GetProperty("customer")} pays {invoice.GetProperty("total")} (first pass: {firstPass})");
