using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>An error in OpenAI's shape; all four members are always there.</summary>
/// <param name="Message">For people.</param>
/// <param name="Type">What kind of error, in OpenAI's words.</param>
/// <param name="Param">The parameter to blame; null when there is none.</param>
/// <param name="Code">For programs; OpenAI's word where it has one.</param>
internal sealed record OpenAiError(string Message, string Type, string? Param, string? Code);

/// <summary>The body of an answer that is no success.</summary>
internal sealed record OpenAiErrorBody(OpenAiError Error);

/// <summary>What a job that ended without an answer is told as.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Error">The body.</param>
internal readonly record struct OpenAiFailure(int Status, OpenAiError Error);

/// <summary>Says refusals and failures as OpenAI does.</summary>
internal static class OpenAiErrors
{
    private const string InvalidRequest = "invalid_request_error";
    private const string ServerError = "server_error";
    private const string RateLimit = "rate_limit_error";

    /// <summary>Said when this server stops before the answer has ended.</summary>
    public static readonly OpenAiError Stopping = Server(
        "server_stopping",
        "This server stops. Send the request again; with its Idempotency-Key, if it had one, it finds its answer."
    );

    /// <summary>Said while a key still counts here whose tenant is being deleted.</summary>
    public static readonly Refusal Deleted = ProblemTypes.Unauthorized.With(
        "The tenant of this key is being deleted. Nothing was accepted."
    );

    public static Task SendAsync(HttpContext context, Refusal refusal)
    {
        var failure = Of(refusal);
        return SendAsync(context, failure.Status, failure.Error);
    }

    /// <summary>Why a request is not done.</summary>
    public static OpenAiFailure Of(Refusal refusal)
    {
        var status = StatusOf(refusal.Type);
        return new(status, new(refusal.Detail, TypeOf(status), ParamOf(refusal), CodeOf(refusal.Type)));
    }

    public static Task SendAsync(HttpContext context, int status, OpenAiError error) =>
        JsonAnswer.WriteAsync(context, status, new OpenAiErrorBody(error), OpenAiJson.Default.OpenAiErrorBody);

    /// <summary>A refusal that comes after the answer has begun.</summary>
    public static OpenAiError Server(string code, string message) => new(message, ServerError, null, code);

    /// <summary>Why a job has no answer.</summary>
    public static OpenAiFailure Of(Job job) =>
        job.Status == JobStatuses.Cancelled
            ? new(
                StatusCodes.Status409Conflict,
                new(
                    $"Job {job.Id} was cancelled. Send the request again, with a new Idempotency-Key if it had one.",
                    InvalidRequest,
                    null,
                    "job_cancelled"
                )
            )
            : Of(job.Error ?? new JobError("unknown", "unknown", $"Job {job.Id} ended without an answer.", Retryable: true));

    private static OpenAiFailure Of(JobError error)
    {
        var status = error switch
        {
            { Code: "deadline_exceeded" } => StatusCodes.Status504GatewayTimeout,
            { Class: "caller_error" } => StatusCodes.Status400BadRequest,
            { Class: "rate_limited" } => StatusCodes.Status429TooManyRequests,
            { Class: "transient" or "provider_auth" } => StatusCodes.Status502BadGateway,
            _ => StatusCodes.Status500InternalServerError,
        };
        return new(status, new(error.Message, TypeOf(status), null, error.Code));
    }

    private static int StatusOf(ProblemType type) => type == ProblemTypes.UnknownModel ? StatusCodes.Status404NotFound : type.Status;

    private static string TypeOf(int status) =>
        status switch
        {
            StatusCodes.Status403Forbidden => "permission_error",
            StatusCodes.Status429TooManyRequests => RateLimit,
            >= 500 => ServerError,
            _ => InvalidRequest,
        };

    private static string CodeOf(ProblemType type) =>
        type == ProblemTypes.Unauthorized ? "invalid_api_key"
        : type == ProblemTypes.UnknownModel ? "model_not_found"
        : type == ProblemTypes.UnknownMember ? "unknown_parameter"
        : type.Code;

    private static string? ParamOf(Refusal refusal) => refusal.Errors?.Keys.FirstOrDefault() is { Length: > 0 } field ? field : null;
}
