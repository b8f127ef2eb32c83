using System.Net;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Database;
using AiBackend.Core.Workflows;
using AiBackend.Tests.EndToEnd;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tools;
using Npgsql;

namespace AiBackend.Tests.Chaos;

/// <summary>A workflow whose steps do something outside: a receiver that writes down every call, and the ledger and the steps afterwards.</summary>
internal sealed class ChaosTools : IAsyncDisposable
{
    /// <summary>What a run of it gives.</summary>
    public const string Text = "sent true true";

    private const string Setting = "Egress__Allow__0";

    private static readonly string[] Programs = ["api", "worker"];

    private readonly Stack _stack;
    private readonly ToolReceiver _receiver;
    private readonly WorkflowDefinition _definition;

    private ChaosTools(Stack stack, ToolReceiver receiver, string workflow, WorkflowDefinition definition) =>
        (_stack, _receiver, Workflow, _definition) = (stack, receiver, workflow, definition);

    /// <summary>Name of the workflow.</summary>
    public string Workflow { get; }

    /// <summary>Every call that arrived.</summary>
    public IReadOnlyList<SendFacts> Sends => [.. _receiver.Posted.Select(call => new SendFacts(call.Key, Guid.Parse(call.Job)))];

    public static async Task<ChaosTools> StartAsync(Stack stack, Lesson lesson)
    {
        var receiver = await ToolReceiver.StartAsync();
        // Whoever is asked what became of a call that was sent and whose answer was lost says so: nobody has to be asked.
        receiver.Verdict = receiver.Answer;
        await AllowAsync(stack, receiver.Origin.GetLeftPart(UriPartial.Authority));
        var name = $"c{Guid.CreateVersion7():N}"[..20];
        await PutAsync(stack, $"tools/{name}-write", Tool(receiver, "write"));
        await PutAsync(stack, $"tools/{name}-again", Tool(receiver, "write_idempotent"));
        var definition = $$$"""
            {"steps":[
              {"name":"ask","type":"chat","model":"{{{lesson.Model}}}","messages":[{"role":"user","content":"Go on. {{input.key}}-step"}]},
              {"name":"send","type":"tool","tool":"{{{name}}}-write","arguments":{"to":"{{input.key}}"},"after":["ask"]},
              {"name":"again","type":"tool","tool":"{{{name}}}-again","arguments":{"to":"{{input.key}}"}},
              {"name":"out","type":"transform","value":"sent {{steps.send.ok}} {{steps.again.ok}}"}]}
            """;
        await PutAsync(stack, $"workflows/{name}", definition);
        return new(stack, receiver, name, JsonSerializer.Deserialize(definition, WireJson.Default.WorkflowDefinition)!);
    }

    /// <summary>The ledger's rows of calls, by effect id.</summary>
    public async Task<IReadOnlyList<LedgerFacts>> ReadLedgerAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            SELECT c.effect_id, c.job_id, c.effect, c.state, j.attempt FROM job_tool_calls c JOIN jobs j ON j.id = c.job_id
             WHERE starts_with(c.tool, @workflow)
            """
        );
        command.Parameters.AddWithValue("workflow", Workflow);
        return await command.ReadAllAsync(
            row => new LedgerFacts(
                row.GetString(0),
                row.GetGuid(1),
                (Core.Tools.ToolEffect)row.GetInt16(2),
                (Core.Tools.Calls.ToolCallState)row.GetInt16(3),
                row.GetInt16(4)
            ),
            cancellationToken
        );
    }

    /// <summary>The steps of all runs of the workflow.</summary>
    public async Task<IReadOnlyList<StepFacts>> ReadStepsAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            SELECT s.run_id, s.name, s.job_id, s.started_at, s.ended_at FROM workflow_steps s JOIN job_payloads p ON p.job_id = s.run_id
             WHERE p.title = @title
            """
        );
        command.Parameters.AddWithValue("title", $"{Workflow} v1");
        var needs = _definition.Steps!.ToDictionary(step => step.Name!, StepReferences.Of, StringComparer.Ordinal);
        return await command.ReadAllAsync(
            row => new StepFacts(
                row.GetGuid(0),
                row.GetString(1),
                row.Id(2),
                [.. needs[row.GetString(1)]],
                row.GetFieldValue<DateTimeOffset>(3),
                row.Moment(4)
            ),
            cancellationToken
        );
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var program in Programs)
        {
            for (var replica = 0; replica < _stack.Processes.Of(program).Count; replica++)
            {
                _stack.Processes.SetVariable(program, Setting, null, replica);
            }
        }

        await _receiver.DisposeAsync();
    }

    private static async Task AllowAsync(Stack stack, string origin)
    {
        foreach (var program in Programs)
        {
            for (var replica = 0; replica < stack.Processes.Of(program).Count; replica++)
            {
                stack.Processes.SetVariable(program, Setting, origin, replica);
                await stack.Processes.WaitForRestartAsync(program, stack.Processes.Kill(program, replica), replica, TestRun.Cancel);
            }
        }
    }

    private static string Tool(ToolReceiver receiver, string effect) =>
        $$"""
            {"kind":"http","effect":"{{effect}}","description":"Sends.","url":"{{receiver.Url}}","timeout_seconds":10,
             {{(
                effect == "write" ? $"\"verify_url\":\"{receiver.VerifyUrl}\",\"needs_approval\":false," : ""
            )}}"parameters":{"type":"object"} }
            """;

    private static Task PutAsync(Stack stack, string path, string body) =>
        Eventually.TrueAsync(
            async token =>
            {
                // It has just been started again.
                using var content = new StringContent(body, Encoding.UTF8, "application/json");
                using var response = await stack.Api.PutAsync(new Uri($"/api/v1/{path}", UriKind.Relative), content, token);
                Assert.True(
                    response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.ServiceUnavailable,
                    await response.Content.ReadAsStringAsync(token)
                );
                return response.IsSuccessStatusCode;
            },
            $"{path} is taken",
            TimeSpan.FromSeconds(60)
        );
}
