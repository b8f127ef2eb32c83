namespace AiBackend.Api.Auth;

/// <summary>A key was looked at when its request began, and nothing is done for one that ended while the body was sent.</summary>
internal static class KeyAfterBody
{
    /// <exception cref="BadHttpRequestException">With 401: whoever was let in would not be let in again.</exception>
    public static async ValueTask CheckAsync(HttpContext context)
    {
        // None: asking for RequestAborted makes Kestrel allocate a source for every request, and the command timeout bounds the look-up.
        if (!await context.RequestServices.GetRequiredService<LiveKeys>().CountsAsync(context, CancellationToken.None))
        {
            throw new BadHttpRequestException("The key ended while the request was sent.", StatusCodes.Status401Unauthorized);
        }
    }
}
