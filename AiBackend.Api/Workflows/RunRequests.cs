using System.Runtime.InteropServices;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Workflows;
using AiBackend.Core.Jobs;
using AiBackend.Core.Workflows;

namespace AiBackend.Api.Workflows;

/// <summary>What is special about a job that is a run: its steps, and the events that it waits for.</summary>
internal sealed class RunRequests(JobReads jobs, RunStepStore steps, EventContracts contracts)
{
    public async Task ListStepsAsync(HttpContext context)
    {
        var refusal = StepPage.TryRead(context.Request, out var page);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        if (context.JobId() is not { } id || await jobs.FindHeadAsync(context.GetTenantId(), id, context.RequestAborted) is null)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        // One more than is shown says whether there is a next page.
        var found = await steps.ShowAsync(context.GetTenantId(), id, page.After, page.Limit + 1, context.RequestAborted);
        var shown = found.Take(page.Limit).ToList();
        var list = new RunSteps(shown, found.Count > shown.Count ? StepPage.CursorOf(shown[^1]) : null);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, list, WireJson.Default.RunSteps);
    }

    public async Task PostEventAsync(HttpContext context)
    {
        var (refusal, posted) = await StrictBody.ReadAsync(context.Request, WireJson.Default.WorkflowEvent);
        refusal ??= QueryParameters.CheckNames(context.Request);
        if (refusal is null && string.IsNullOrEmpty(posted.Name))
        {
            refusal = ProblemTypes.InvalidValue.At("name", "name is missing; it names the step that waits for the event.");
        }

        if (refusal is null && posted.Data is { } data && StepValues.FaultOf(JsonMarshal.GetRawUtf8Value(data)) is { } fault)
        {
            refusal = ProblemTypes.InvalidValue.At("data", $"data cannot be what a step gives. {fault}");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
        else if (context.JobId() is not { } id || await jobs.FindHeadAsync(context.GetTenantId(), id, context.RequestAborted) is null)
        {
            await context.RefuseUnknownJobAsync();
        }
        else if (await contracts.CheckAsync(context.GetTenantId(), id, posted, context.RequestAborted) is { } violated)
        {
            await context.RefuseAsync(violated);
        }
        else if (await steps.PostAsync(context.GetTenantId(), id, posted.Name!, posted.Data, context.RequestAborted))
        {
            context.Response.StatusCode = StatusCodes.Status202Accepted;
        }
        else
        {
            await context.RefuseAsync(
                ProblemTypes.EventNotAwaited.With(
                    $"The run does not wait for {Quoted.Of(posted.Name!)} now: it has it, it is over, the step has not begun, waits no longer, or waits for no event. GET /api/v1/jobs/{id}/steps says which."
                )
            );
        }
    }
}
