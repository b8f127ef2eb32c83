using System.Text.RegularExpressions;
using AiBackend.Tests.Architecture;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Web.Browser;

namespace AiBackend.Tests.Papers;

/// <summary>The examples of docs/api.md do what they say, against the whole stack.</summary>
[Collection(StackCollection.Name)]
public sealed class ExampleTests(StackFixture fixture, ExamplePrograms programs) : IClassFixture<ExamplePrograms>
{
    private readonly Stack _stack = fixture.Stack;

    /// <summary>Task, what curl prints when it went well, and what the programs print.</summary>
    public static TheoryData<string, string, string> Runs { get; } =
        new()
        {
            { "wait", "\"status\":\"completed\".*simulated answer", "^completed: .*simulated answer" },
            { "stream", "^event: delta.*^event: final.*^id: 4\nevent.*^event: final", "simulated answer" },
            { "contract", "\"json\":\\{\"customer\":.*\"valid\":true", "^[\\w ]+ pays [\\d.]+ \\(first pass: [Tt]rue\\)" },
            { "files", "\"name\":\"sales.csv\".*\"name\":\"report.md\".*simulated answer", "^report.md: .*simulated answer" },
            { "knowledge", "\"source\":\"lamps.md\".*\"status\":\"completed\"", "^completed: .*simulated answer" },
            {
                "conversation",
                "\"status\":\"completed\".*\"seq\":1.*Why does.*\"seq\":4,\"role\":\"assistant\"",
                "^1 user: Why does.*\n4 assistant: .*simulated answer"
            },
            { "prompt", "\"production\",\"seq\":1.*\"prompt\":\"summary-\\d+@1\"", "^summary-[0-9a-f-]+@1: .*simulated answer" },
            { "workflow", "\"version\":\\d+.*\"status\":\"completed\".*totals", "^completed: .*totals.*\n- each: succeeded" },
            { "review", "\"kind\":\"approved\".*\"status\":\"completed\".*90 EUR", "^wrong: cited\napproved: .*90 EUR" },
            { "tool", "\"tool\":\"current_time\".*\"state\":\"done\"", "^completed\ncurrent_time: done, 20" },
            {
                "clienttool",
                "\"kind\":\"client\".*\"state\":\"done\".*\"Size 42.\".*\"status\":\"completed\"",
                "^ask_customer .*question.*\ncompleted: .*simulated answer"
            },
            { "retry", "^(?<id>[0-9a-f-]{36})\n\\k<id>$", "^(?<id>[0-9a-f-]{36})\n\\k<id>$" },
            { "list", "\"status\":\"failed\"", "^[0-9a-f-]{36} failed 20" },
            { "cancel", "\"status\":\"cancelled\".*\"finished_at\":\"20", "^cancelled at 20" },
            { "chat", "\"object\":\"chat.completion\".*simulated answer", "simulated answer.*simulated answer" },
            { "background", "response.created.*response.completed.*response.completed", "simulated answer" },
            { "keys", "\"value\":\"aib_.*\"value\":\"aib_.*\"status\":\"revoked\"", "this once: aib_\\w{41}\n\\w{8} is revoked$" },
            { "money", "\"limit_usd\":20.*\"cost_usd\":", "^0 of 20(.0+)? US dollars spent\n.*: \\d+ calls, \\d" },
            { "webhook", "\"secret\":\"whsec_.*\"type\":\"webhook.test\".*\"data\":\\[\\{", "" },
        };

    [Theory]
    [MemberData(nameof(Runs))]
    public async Task An_example_of_the_paper_does_what_it_says_in_every_language(string name, string ofCurl, string ofPrograms)
    {
        if (name is "list")
        {
            await FailOneAsync();
        }

        // Python has no package of OpenAI here, and the receivers of webhooks do not end: ExampleTroubleTests has them.
        string[] languages = name switch
        {
            "chat" or "background" => ["sh", "cs", "mjs"],
            "webhook" => ["sh"],
            _ => ["sh", "cs", "mjs", "py"],
        };
        await Task.WhenAll(languages.Select(language => RunAsync(name, language, language is "sh" ? ofCurl : ofPrograms)));
    }

    private async Task RunAsync(string name, string language, string expected)
    {
        using var program = await programs.StartAsync(
            ApiTasks.All.Single(task => task.Name == name),
            language,
            new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["AIBACKEND_URL"] = _stack.ApiAddress.ToString().TrimEnd('/'),
                ["AIBACKEND_KEY"] = _stack.Key,
            }
        );
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        await program.WaitForExitAsync(patience.Token);

        Assert.True(program.ExitCode == 0, $"{name}.{language}: {program.Output}");
        var right = new Regex(expected, RegexOptions.Singleline | RegexOptions.Multiline, TimeSpan.FromSeconds(5));
        Assert.True(right.IsMatch(program.Output), $"{name}.{language} printed, instead of {expected}:\n{program.Output}");
    }

    [Fact]
    public async Task The_examples_in_Python_are_Python()
    {
        var files = ApiTasks.All.Select(task => Repository.Full(task.File("py")));

        // Parsed, and nothing written beside them.
        await ChildProcess.RunAsync(
            TestRun.Require("python3"),
            ["-c", "import ast, sys\nfor file in sys.argv[1:]: ast.parse(open(file).read(), file)", .. files]
        );
    }

    /// <summary>A job that a list of what did not go well has.</summary>
    private async Task FailOneAsync()
    {
        var model = await _stack.TeachRefusalAsync();
        using var accepted = await _stack.Api.PostAsJsonAsync(
            "/api/v1/jobs",
            new
            {
                type = "chat",
                model,
                feature = "support-summary",
                input = new { messages = new[] { new { role = "user", content = "Go on." } } },
            },
            TestRun.Cancel
        );
        Assert.True(accepted.IsSuccessStatusCode, await accepted.Content.ReadAsStringAsync(TestRun.Cancel));
        var job = await accepted.Content.ReadFromJsonAsync<System.Text.Json.JsonElement>(TestRun.Cancel);
        await new JobClient(_stack).EndAsync(job.GetProperty("id").GetGuid());
    }
}
