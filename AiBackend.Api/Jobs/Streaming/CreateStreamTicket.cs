using System.Net;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;
using AiBackend.Core.Jobs;
using AiBackend.Core.Tenancy;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary><c>POST /api/v1/jobs/{id}/stream-tickets</c>: what a browser reads the job's events with.</summary>
internal sealed class CreateStreamTicket(JobReads jobs, StreamTickets tickets)
{
    public async Task HandleAsync(HttpContext context)
    {
        var caller = context.User.GetCaller();
        var (refusal, request) =
            context.Request.ContentLength is null or 0 && context.Request.ContentType is null
                ? (null, new CreateStreamTicketRequest())
                : await StrictBody.ReadAsync(context.Request, WireJson.Default.CreateStreamTicketRequest);
        var address = context.Connection.RemoteIpAddress;
        if (refusal is null && request.Address is { } wanted && !IPAddress.TryParse(wanted, out address))
        {
            refusal = ProblemTypes.InvalidValue.At(
                "address",
                $"address is {Quoted.Of(wanted)}; it must be an IP address, such as 203.0.113.7 or 2001:db8::7, as this server sees the reader."
            );
        }

        if (caller.UserId is not null)
        {
            refusal ??= ProblemTypes.MissingScope.With("Tickets are made by API keys, not by who signed in. Use a key with jobs:read.");
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
        else if (context.JobId() is not { } id || await jobs.FindHeadAsync(caller.TenantId, id, context.RequestAborted) is null)
        {
            await context.RefuseUnknownJobAsync();
        }
        else
        {
            var made = await tickets.AddAsync(caller, id, AttemptLimits.PlaceOf(address), context.RequestAborted);
            // Nothing on the way may keep the only copy of a secret.
            context.Response.Headers.CacheControl = "no-store";
            await JsonAnswer.WriteAsync(
                context,
                StatusCodes.Status201Created,
                new ApiContracts.Jobs.StreamTicket(
                    made.Text,
                    made.ExpiresAt,
                    $"/api/v1/jobs/{id}/events?{StreamTicketDoor.Parameter}={made.Text}"
                ),
                WireJson.Default.StreamTicket
            );
        }
    }
}
