using System.Text;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Prompts;
using AiBackend.Core.Tenancy;
using AiBackend.Tests.Api;
using AiBackend.Tests.DeadLetters;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Prompts;

/// <summary>Replays that put another version of a prompt in place of the old one.</summary>
public sealed class ReplayedPromptTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string First = """
        {"messages":[{"role":"system","content":"Be {{tone}}."},{"role":"user","content":"Think."}],"variables":{"tone":{}},
         "parameters":{"temperature":0.5,"max_output_tokens":10},"contract":{"schema":{"type":"object"}} }
        """;

    private const string Second = """
        {"messages":[{"role":"system","content":"Please be {{tone}}."}],"variables":{"tone":{}},
         "parameters":{"temperature":0.7},"contract":{"schema":{"type":"array"}} }
        """;

    private readonly PromptApi _prompts = new(api);

    [Fact]
    public async Task What_the_old_version_brought_goes_and_what_the_caller_said_stays()
    {
        var name = await AddBothAsync();
        var old = await EndedAsync(
            $$$$"""{"type":"chat","input":{"prompt":{"name":"{{{{name}}}}","version":1,"variables":{"tone":"kind"}},"messages":[{"role":"user","content":"Now."}],"top_p":0.9}}"""
        );

        var job = await ReplayAsync(old, $$$"""{"prompt":{"name":"{{{name}}}","version":2,"variables":{"tone":"brief"} } }""");

        var input = await _prompts.InputOfAsync(job.Id);
        Assert.Equal(["Please be brief.", "Now."], input.Messages!.Select(message => message.Content));
        Assert.Equal((0.7, null, 0.9), (input.Temperature, input.MaxOutputTokens, input.TopP));
        var terms = await TermsAsync(job.Id);
        Assert.Equal((name + "@2", "array"), (terms.Prompt, terms.Contract!.Schema!.Value.GetProperty("type").GetString()));
        Assert.Equal((old, "Now."), (job.ReplayOf, input.Messages![^1].Content));
    }

    [Fact]
    public async Task A_contract_of_the_caller_s_own_stays_and_a_job_without_a_prompt_keeps_all_of_its_messages()
    {
        var name = await AddBothAsync();
        var old = await EndedAsync(
            """{"type":"chat","contract":{"schema":{"type":"string"}},"input":{"messages":[{"role":"user","content":"One."},{"role":"user","content":"Two."}]}}"""
        );

        var job = await ReplayAsync(old, $$$"""{"prompt":{"name":"{{{name}}}","variables":{"tone":"kind"} } }""");

        Assert.Equal(
            ["Be kind.", "Think.", "One.", "Two."],
            (await _prompts.InputOfAsync(job.Id)).Messages!.Select(message => message.Content)
        );
        Assert.Equal("string", (await TermsAsync(job.Id)).Contract!.Schema!.Value.GetProperty("type").GetString());
    }

    [Fact]
    public async Task A_repeat_is_the_same_replay_also_when_the_label_says_another_version_by_then()
    {
        var name = await AddBothAsync();
        var old = await EndedAsync(PromptApi.Job($$$"""{"name":"{{{name}}}","variables":{"tone":"kind"} }"""));
        var body = $$$"""{"prompt":{"name":"{{{name}}}","variables":{"tone":"kind"} } }""";

        var first = await ReplayAsync(old, body, "again");
        await _prompts.SetAsync(name, "production", """{"version":2}""");
        var repeat = await ReplayAsync(old, body, "again");
        var other = await ReplayAsync(old, body, "another");

        Assert.Equal(first.Id, repeat.Id);
        Assert.Equal((name + "@1", name + "@2"), ((await TermsAsync(first.Id)).Prompt, (await TermsAsync(other.Id)).Prompt));
        Assert.Single((await _prompts.InputOfAsync(other.Id)).Messages!);
    }

    [Fact]
    public async Task The_user_of_the_old_job_gets_the_version_that_a_new_job_of_his_would_get()
    {
        var name = await AddBothAsync();
        await _prompts.SetAsync(name, "production", """{"version":1,"canary":{"version":2,"percent":50}}""");

        foreach (var user in Enumerable.Range(0, 8).Select(i => $"user-{i}"))
        {
            var old = await EndedAsync(ApiServer.Chat.Replace("\"chat\"", $"\"chat\",\"user\":\"{user}\"", StringComparison.Ordinal));
            var job = await ReplayAsync(old, $$$"""{"prompt":{"name":"{{{name}}}","variables":{"tone":"kind"} } }""");

            var expected = PromptNames.Pin(name, PromptReads.IsCanary(name, "production", user, 50) ? 2 : 1);
            Assert.Equal(expected, (await TermsAsync(job.Id)).Prompt);
        }
    }

    [Theory]
    [InlineData("nobody", null, "unknown_model")]
    [InlineData("sim", "default", "model_not_allowed")]
    public async Task A_judge_that_a_new_job_could_not_have_is_refused(string judge, string? allowed, string code)
    {
        var name = await _prompts.AddAsync(
            $$$"""{"messages":[{"role":"user","content":"Hi"}],"contract":{"rules":[{"rule":"judge","model":"{{{judge}}}","criteria":"good"}]}}"""
        );
        var old = await EndedAsync(ApiServer.Chat);
        var key = await api.AddKeyAsync(ApiKeyStore.DefaultTenant, "*");
        if (allowed is not null)
        {
            await (await api.WorkerAsync()).ExecuteAsync(
                $"UPDATE api_keys SET allowed_models = '{{{allowed}}}' WHERE key_id = '{ApiKey.TryParse(key)!.Id}'",
                Guid.Empty
            );
        }

        using var http = api.Client(key);
        using var refused = await PostAsync(old, $$$"""{"prompt":{"name":"{{{name}}}"} }""", null, http);

        Assert.Equal(code, (await ApiServer.ReadProblemAsync(refused)).Code);
    }

    [Theory]
    [InlineData("""{"prompt":{"name":"NAME","version":1}}""", "prompt.variables.tone")]
    [InlineData("""{"prompt":{"name":"NAME","version":9,"variables":{"tone":"kind"}}}""", "prompt.version")]
    [InlineData("""{"prompt":{"name":"nobody","version":1}}""", "prompt.name")]
    public async Task What_makes_no_messages_is_refused_by_its_place_in_the_body(string body, string place)
    {
        var name = await AddBothAsync();
        var old = await EndedAsync(ApiServer.Chat);

        using var refused = await PostAsync(old, body.Replace("NAME", name, StringComparison.Ordinal), null);

        Assert.Contains(place, (await ApiServer.ReadProblemAsync(refused)).Errors!.Keys);
    }

    private async Task<string> AddBothAsync()
    {
        var name = await _prompts.AddAsync(First);
        await _prompts.AddVersionAsync(name, Second);
        return name;
    }

    private async Task<Guid> EndedAsync(string body)
    {
        var job = await api.SubmitAsync(body);
        await (await api.WorkerAsync()).EndAsync(job.Id, AttemptEnd.Succeeded("{}"));
        return job.Id;
    }

    private async Task<JobTerms> TermsAsync(Guid job) =>
        JobTerms.Read(await _prompts.ScalarAsync($"SELECT terms FROM job_payloads WHERE job_id = '{job}'"));

    private async Task<Job> ReplayAsync(Guid job, string body, string? key = null)
    {
        using var response = await PostAsync(job, body, key);
        return await ApiServer.ReadJobAsync(response);
    }

    private async Task<HttpResponseMessage> PostAsync(Guid job, string body, string? key, HttpClient? http = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/jobs/{job}/replay")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await (http ?? api.Http).SendAsync(request, TestRun.Cancel);
    }
}
