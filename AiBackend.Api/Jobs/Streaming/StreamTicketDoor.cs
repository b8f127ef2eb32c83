using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>An endpoint that takes a ticket in place of a key.</summary>
internal sealed record TakesStreamTicket;

/// <summary>Lets a reader in who comes with a ticket and no key.</summary>
internal sealed class StreamTicketDoor(StreamTickets tickets)
{
    /// <summary>Where a reader sends it.</summary>
    public const string Parameter = "ticket";

    /// <summary>Whether a request may be let in so: a key in its header decides alone.</summary>
    public static bool IsAsked(HttpContext context) =>
        context.Request.Headers.Authorization.Count == 0
        && context.GetEndpoint()?.Metadata.GetMetadata<TakesStreamTicket>() is not null
        && context.Request.Query.ContainsKey(Parameter);

    /// <returns>Null when the ticket opens nothing here.</returns>
    public async Task<CallerIdentity?> FindAsync(HttpContext context)
    {
        // None: as for keys.
        if (
            context.Request.Query[Parameter] is not [{ } text]
            || context.JobId() is not { } job
            || await tickets.UseAsync(text, job, AttemptLimits.PlaceOf(context.Connection.RemoteIpAddress), CancellationToken.None)
                is not { } caller
        )
        {
            return null;
        }

        // It is all that lets this reader in, no cookie and no header: so pages of any origin may read what it opens.
        context.Response.Headers.AccessControlAllowOrigin = "*";
        return new CallerIdentity(Callers.ForTicket(caller), Callers.NameOfTicket(caller.KeyId));
    }
}
