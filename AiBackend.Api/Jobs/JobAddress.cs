using AiBackend.Api.Problems;

namespace AiBackend.Api.Jobs;

/// <summary>The job named in an address.</summary>
internal static class JobAddress
{
    /// <returns>The id, or null when the text is not one: such a job cannot exist.</returns>
    public static Guid? JobId(this HttpContext context) =>
        Guid.TryParseExact(context.Request.RouteValues["id"] as string, "D", out var id) ? id : null;

    /// <summary>One answer for a malformed id, an unknown job and another tenant's job, so that they cannot be told apart.</summary>
    public static Task RefuseUnknownJobAsync(this HttpContext context) =>
        context.RefuseAsync(
            ProblemTypes.JobNotFound.With(
                $"There is no job {Quoted.Of(context.Request.RouteValues["id"] as string ?? "")}. Check the id, and that the key belongs to the tenant that submitted it."
            )
        );
}
