using System.Net;
using AiBackend.ApiContracts;
using static System.FormattableString;

namespace AiBackend.Web.Api;

/// <summary>Answer of one call to the Api: the value, or why there is none.</summary>
internal abstract record ApiResult<T>
{
    private ApiResult() { }

    internal sealed record Success(T Value) : ApiResult<T>
    {
        /// <summary>The Api had given it before: nothing new was begun.</summary>
        public bool IsRepeat { get; init; }
    }

    internal sealed record Failure(ApiFailure Reason) : ApiResult<T>;

    public T? ValueOrDefault => this is Success success ? success.Value : default;

    public ApiFailure? FailureOrNull => this is Failure failure ? failure.Reason : null;
}

/// <summary>Why a call brought no value, in words a page can show.</summary>
/// <param name="Status">What the Api answered; null when it could not be reached.</param>
/// <param name="Code">Stable code for decisions: the problem's own, or <c>unreachable</c>.</param>
/// <param name="Title">What happened, in one short sentence.</param>
/// <param name="Detail">The value at fault and what to do about it.</param>
/// <param name="TraceId">For whoever looks further; null when no request was served.</param>
public sealed record ApiFailure(HttpStatusCode? Status, string Code, string Title, string Detail, string? TraceId)
{
    public bool IsNotFound => Status is HttpStatusCode.NotFound;

    public bool IsUnreachable => Status is null;

    /// <summary>Whether the same question may have another answer in a moment.</summary>
    public bool MayPass =>
        Status
            is null
                or HttpStatusCode.Unauthorized
                or HttpStatusCode.RequestTimeout
                or HttpStatusCode.TooManyRequests
                or >= HttpStatusCode.InternalServerError;

    public static ApiFailure Unreachable { get; } =
        new(null, "unreachable", "The service cannot be reached right now", "Nothing is lost. This page keeps trying.", null);

    public static ApiFailure NotSignedIn { get; } =
        new(
            HttpStatusCode.Unauthorized,
            "not_signed_in",
            "This page is not signed in to the service yet",
            "The development key is written when the stack starts. This page tries again by itself; if it stays like this, restart with ./run.sh.",
            null
        );

    /// <summary>The Api's code for a request of one project by a session that works in another.</summary>
    private const string OtherTenant = "other_tenant";

    /// <summary>Whether the page is of a project in which its reader does not work any more.</summary>
    public bool IsOfOtherProject => Code is OtherTenant;

    public static ApiFailure ProjectSwitched { get; } =
        new(
            HttpStatusCode.Conflict,
            OtherTenant,
            "The project was switched in another tab",
            "This page is of the project before, and what it asks for is refused. Reload it to work in the other project, or switch back first.",
            null
        );

    /// <summary>The same about something a person did, which nobody tries again for them.</summary>
    public ApiFailure OfAction =>
        Code switch
        {
            "unreachable" => this with { Detail = "It may not have arrived. Press the button again in a moment: nothing happens twice." },
            "not_signed_in" => this with
            {
                Detail =
                    "The development key is written when the stack starts. Press the button again in a moment; if it stays like this, restart with ./run.sh.",
            },
            _ => this,
        };

    public static ApiFailure Defect { get; } =
        new(
            null,
            "defect",
            "This page ran into a defect",
            "The run itself goes on. Reload the page; the defect is in the site's log.",
            null
        );

    public static ApiFailure From(HttpStatusCode status, Problem? problem) =>
        problem is { Code: OtherTenant } ? ProjectSwitched with { TraceId = problem.TraceId }
        : problem is null
            ? new(
                status,
                "unexpected",
                "The service gave an unexpected answer",
                Invariant($"It answered with status {(int)status}. Try again."),
                null
            )
        : new(status, problem.Code, problem.Title, problem.Detail, problem.TraceId);
}
