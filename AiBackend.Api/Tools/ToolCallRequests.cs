using AiBackend.Api.Auth;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Tools;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tools;
using AiBackend.Core.Tools.Calls;

namespace AiBackend.Api.Tools;

/// <summary>What was called for a job, and what clients have to say about their part of it.</summary>
internal sealed class ToolCallRequests(ToolCallReads calls, AnswerToolCall answers, JobReads jobs, JobOwner owner)
{
    private const int MostOutput = 64 * 1024;
    private const int MostError = 1024;
    private const int LongestCallId = 128;

    public async Task ListAsync(HttpContext context)
    {
        if (QueryParameters.CheckNames(context.Request, JobOwner.Parameters) is { } unknown)
        {
            await context.RefuseAsync(unknown);
            return;
        }

        var (refusal, tenantId) = await owner.ReadAsync(context);
        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
            return;
        }

        if (context.JobId() is not { } id)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var list = await calls.ListAsync(tenantId, id, context.RequestAborted);
        if (list.Count == 0 && await jobs.FindAsync(tenantId, id, context.RequestAborted) is null)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var body = new JobToolCalls([.. list.Select(Show)]);
        await JsonAnswer.WriteAsync(context, StatusCodes.Status200OK, body, WireJson.Default.JobToolCalls);
    }

    public async Task PostAsync(HttpContext context)
    {
        var (refusal, request) = await StrictBody.ReadAsync(context.Request, WireJson.Default.ToolResultRequest);
        if ((refusal ?? QueryParameters.CheckNames(context.Request) ?? Check(request)) is { } bad)
        {
            await context.RefuseAsync(bad);
            return;
        }

        if (context.JobId() is not { } id)
        {
            await context.RefuseUnknownJobAsync();
            return;
        }

        var (tenantId, callId) = (context.GetTenantId(), request.ToolCallId!);
        var text = request.Output ?? request.Error!;
        switch (await answers.RunAsync(tenantId, id, callId, text, request.Error is not null, context.RequestAborted))
        {
            case ToolAnswer.Taken:
                await ShowAsync(context, tenantId, id, callId, StatusCodes.Status202Accepted);
                break;
            case ToolAnswer.Repeated:
                await ShowAsync(context, tenantId, id, callId, StatusCodes.Status200OK);
                break;
            case ToolAnswer.NotWaiting(var status):
                await context.RefuseAsync(
                    ProblemTypes.ResultNotAwaited.With(
                        $"Job {id} is {status.ToWire()}, and does not wait for the call {Quoted.Of(callId)}. Send the result when the job is waiting_for_tool."
                    )
                );
                break;
            case ToolAnswer.NoSuchCall:
                await context.RefuseAsync(
                    ProblemTypes.ToolCallNotFound.With(
                        $"Job {id} has no call {Quoted.Of(callId)} that a client makes. GET /api/v1/jobs/{id}/tool-calls lists its calls."
                    )
                );
                break;
            default:
                await context.RefuseUnknownJobAsync();
                break;
        }
    }

    private async Task ShowAsync(HttpContext context, Guid tenantId, Guid id, string callId, int status)
    {
        var call = (await calls.ListAsync(tenantId, id, context.RequestAborted)).Last(each => each.CallId == callId);
        await JsonAnswer.WriteAsync(context, status, Show(call), WireJson.Default.JobToolCall);
    }

    private static Refusal? Check(ToolResultRequest request)
    {
        var errors = new FieldErrors();
        if (request.ToolCallId is null)
        {
            errors.Add("tool_call_id", "is missing; it is in the event tool_call.");
        }

        errors.CheckText("tool_call_id", request.ToolCallId, LongestCallId);
        if (request.Output is null == request.Error is null)
        {
            errors.Add("output", "or error must be given, and not both.");
        }

        if (request.Output?.Length > MostOutput)
        {
            errors.Add("output", FormattableString.Invariant($"has {request.Output.Length} characters; at most {MostOutput} are allowed."));
        }

        errors.CheckText("error", request.Error, MostError);
        return errors.ToRefusal();
    }

    private static JobToolCall Show(ToolCall call) =>
        new(call.Round, call.CallId, call.Tool, call.Version, call.Effect?.ToWire(), call.Arguments, call.EffectId, call.State.ToWire())
        {
            Result = call.Result,
            Attempt = call.Attempt,
            RecordedAt = call.RecordedAt,
            SentAt = call.SentAt,
            EndedAt = call.EndedAt,
        };
}
