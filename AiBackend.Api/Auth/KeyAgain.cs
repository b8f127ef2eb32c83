namespace AiBackend.Api.Auth;

/// <summary>A key was looked at when its request began; nothing is done or told for one that ended while the body was sent, or a wait lasted.</summary>
internal static class KeyAgain
{
    /// <exception cref="BadHttpRequestException">With 401: whoever was let in would not be let in again.</exception>
    public static async ValueTask CheckAsync(HttpContext context)
    {
        // None: asking for RequestAborted makes Kestrel allocate a source for every request, and the command timeout bounds the look-up.
        if (!await context.RequestServices.GetRequiredService<LiveKeys>().CountsAsync(context, CancellationToken.None))
        {
            throw new BadHttpRequestException("The key ended during the request.", StatusCodes.Status401Unauthorized);
        }
    }
}
