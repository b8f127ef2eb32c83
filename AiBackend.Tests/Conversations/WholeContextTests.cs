using System.Globalization;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Conversations;

/// <summary>Everything that a model may be told of a conversation, at once: from the calls that put it there to what its provider was sent.</summary>
[Collection(StackCollection.Name)]
public sealed class WholeContextTests(StackFixture stack)
{
    private const int Most = 4_000;
    private const string Question = "Why does my lamp blink?";

    private readonly string _name = $"w{Guid.CreateVersion7():N}"[..20];

    [Fact]
    public async Task Profile_passages_summary_history_and_input_are_told_together_each_within_its_cap_and_as_large_as_the_job_says()
    {
        var model = $"sim-{_name}";
        await SendAsync(
            HttpMethod.Put,
            stack.Stack.Simulator,
            $"/sim/behaviours/{model}",
            """{"text":"They spoke of lamps.","ttft_ms":0,"interval_ms":0}"""
        );
        // Each larger than its part may be, but for what is never cut.
        await SendAsync(HttpMethod.Put, $"profiles/{_name}", new { text = "Likes brevity. " + new string('p', 3_000) });
        for (var i = 0; i < 8; i++)
        {
            await SendAsync(
                HttpMethod.Put,
                $"knowledge/{_name}/documents",
                new
                {
                    source = $"lamps-{i}.md",
                    title = $"Lamps {i}",
                    text = $"The lamp {i} blinks. {string.Concat(Enumerable.Repeat("Look at its filter. ", 40))}",
                }
            );
        }

        var talk = await SendAsync(
            HttpMethod.Post,
            "conversations",
            new
            {
                user = _name,
                instructions = "Answer in one sentence.",
                messages = Enumerable
                    .Range(0, 60)
                    .Select(i => new { role = i % 2 == 0 ? "user" : "assistant", content = $"{i:000} {new string('x', 396)}" }),
            }
        );
        var id = talk.GetProperty("id").GetString()!;
        // Has no room for all of that, so that a summary of the oldest follows.
        await AskAsync(model, id, "Go on.", retrieve: null);
        var summary = await Eventually.GetAsync(
            async _ => (await SendAsync(HttpMethod.Get, $"conversations/{id}")).Deserialize(WireJson.Default.Conversation)!.Summary,
            found => found is not null,
            "a summary stands for the oldest messages",
            TimeSpan.FromSeconds(60)
        );

        var job = await AskAsync(model, id, Question, new { collection = _name });

        var context = job.Context!;
        Assert.Equal(Most, context.MaxTokens);
        Assert.Equal(["system", "profile", "retrieved", "summary", "history", "input"], context.Parts.Select(part => part.Name));
        Assert.All(context.Parts, part => Assert.InRange(part.Tokens, 1, part.Cap));
        Assert.InRange(context.Parts.Sum(part => part.Tokens), 1, Most);
        var parts = context.Parts.ToDictionary(part => part.Name, StringComparer.Ordinal);
        var others = context.Parts.Where(part => part.Name != "history").Sum(part => part.Tokens);
        Assert.Equal(
            (Most, Most / 8, Most / 4, Most / 8, Most - others, Most),
            (Cap("system"), Cap("profile"), Cap("retrieved"), Cap("summary"), Cap("history"), Cap("input"))
        );
        Assert.Equal(Most / 8, parts["profile"].Tokens);
        Assert.InRange(context.Passages!.Count, 1, 7);
        var oldest = await OldestOfSentAsync(model, parts, summary!);
        // Neither told nor summarised yet.
        Assert.Equal(oldest - summary!.UpTo, context.DroppedMessages);

        int Cap(string part) => parts[part].Cap;
    }

    /// <summary>The sizes that the job tells are those of what its provider was sent.</summary>
    /// <returns>How many messages came before the oldest of the history.</returns>
    private async Task<int> OldestOfSentAsync(string model, Dictionary<string, ContextPart> parts, ConversationSummary summary)
    {
        var calls = await SendAsync(HttpMethod.Get, stack.Stack.Simulator, $"/sim/calls?model={model}", null);
        var told = calls
            .GetProperty("data")
            .EnumerateArray()
            .Select(call => call.GetProperty("messages").EnumerateArray().Select(Of).ToList())
            .Single(messages => messages[^1].Text == Question);

        Assert.Equal(["system", "system", "system", "system", "system", "user"], told.Take(6).Select(message => message.Role));
        Assert.Equal(["Answer in one sentence.", "Speak of lamps."], told.Take(2).Select(message => message.Text));
        Assert.Contains("Likes brevity.", told[2].Text, StringComparison.Ordinal);
        Assert.StartsWith("Passages that were looked up", told[3].Text, StringComparison.Ordinal);
        Assert.EndsWith(summary.Text, told[4].Text, StringComparison.Ordinal);
        Assert.Equal(
            (parts["system"].Tokens, parts["profile"].Tokens, parts["retrieved"].Tokens, parts["summary"].Tokens),
            (Size(told[0]) + Size(told[1]), Size(told[2]), Size(told[3]), Size(told[4]))
        );
        Assert.Equal((parts["history"].Tokens, parts["input"].Tokens), (told[5..^1].Sum(Size), Size(told[^1])));
        return int.Parse(told[5].Text.Split(' ')[0], CultureInfo.InvariantCulture);

        // The simulator keeps the begin of a text and its length; all of these are ASCII.
        static (string Role, string Text, int Characters) Of(JsonElement message) =>
            (
                message.GetProperty("role").GetString()!,
                message.GetProperty("content").GetString()!,
                message.GetProperty("characters").GetInt32()
            );

        static int Size((string Role, string Text, int Characters) message) => (message.Characters + 3) / 4;
    }

    private async Task<Job> AskAsync(string model, string talk, string says, object? retrieve)
    {
        var accepted = await SendAsync(
            HttpMethod.Post,
            "jobs",
            new
            {
                type = "chat",
                model,
                conversation = new { id = talk, max_tokens = Most },
                retrieve,
                input = new
                {
                    messages = new[] { new { role = "system", content = "Speak of lamps." }, new { role = "user", content = says } },
                },
            }
        );
        var job = await new JobClient(stack.Stack).EndAsync(accepted.GetProperty("id").GetGuid());
        Assert.True(job.Status == "completed", $"{job.Status}: {job.Error?.Message}");
        return job;
    }

    private Task<JsonElement> SendAsync(HttpMethod method, string path, object? body = null) =>
        SendAsync(method, stack.Stack.Api, $"/api/v1/{path}", body is null ? null : JsonSerializer.Serialize(body));

    private static async Task<JsonElement> SendAsync(HttpMethod method, HttpClient to, string path, string? body)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await to.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.IsSuccessStatusCode, text);
        return text.Length == 0 ? default : JsonElement.Parse(text);
    }
}
