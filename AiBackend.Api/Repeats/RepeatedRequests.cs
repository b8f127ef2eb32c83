using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Core.Database;
using AiBackend.Core.Repeats;
using Npgsql;

namespace AiBackend.Api.Repeats;

/// <summary>Answers requests that make no job; with an Idempotency-Key each once, however often it is sent.</summary>
internal sealed class RepeatedRequests(KeptAnswers kept, TimeProvider clock)
{
    private const int MostTries = 5;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <param name="context">The request.</param>
    /// <param name="request">Null when it has no key.</param>
    /// <param name="answer">Makes the answer, or says why there is none.</param>
    /// <param name="locate">The address of what was made, which a repeat is told too; null has none.</param>
    /// <returns>Why it is refused, or null when the answer has been sent.</returns>
    public async Task<Refusal?> AnswerAsync(
        HttpContext context,
        KeptRequest? request,
        Func<Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)>> answer,
        Func<ReadOnlyMemory<byte>, string>? locate = null
    )
    {
        Refusal? refused = null;
        if (request is null)
        {
            (refused, var body) = await answer();
            if (refused is null)
            {
                await SendAsync(context, body, locate);
            }

            return refused;
        }

        var refusal = await OnceAsync(
            context,
            request,
            async () =>
            {
                (refused, var body) = await answer();
                return refused is null ? body : (ReadOnlyMemory<byte>?)null;
            },
            body => SendAsync(context, body, locate)
        );
        return refusal ?? refused;
    }

    /// <summary>Lets one of equal requests be done, and gives the others its answer.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">What it is known by.</param>
    /// <param name="answer">Does it, and says what is kept of the answer; null when it did nothing.</param>
    /// <param name="send">Sends what was kept.</param>
    /// <returns>Why it is refused as a repeat, or null.</returns>
    public async Task<Refusal?> OnceAsync(
        HttpContext context,
        KeptRequest request,
        Func<Task<ReadOnlyMemory<byte>?>> answer,
        Func<ReadOnlyMemory<byte>, Task> send
    )
    {
        switch (await kept.BeginAsync(request, context.RequestAborted))
        {
            case RepeatState.First:
                await HoldAsync(request, answer, send);
                return null;
            case RepeatState.OtherRequest:
                return ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {SentIn(request)} was sent before with another body, or by another caller. Use a new key for a new request."
                );
            case RepeatState.UnderWay:
                return InProgress(request);
            case RepeatState.Answered(null):
                return ProblemTypes.AnswerNotKept.With(
                    $"The request with the Idempotency-Key {SentIn(request)} was answered with more than {KeptAnswers.MostBytes >> 20} MB, which is not kept. Send it with a new key, or in parts."
                );
            case RepeatState.Answered(var body):
                context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                await send(body);
                return null;
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>The same for what is made in Postgres: it and the answer that is kept of it are there together, or neither.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">Null when it has no key.</param>
    /// <param name="make">Makes it on the connection of a transaction that acts for the caller's tenant, or says why it does not.</param>
    /// <param name="locate">The address of what was made, which a repeat is told too; null has none.</param>
    public Task<Refusal?> MakeAsync(
        HttpContext context,
        KeptRequest? request,
        Func<NpgsqlConnection, Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)>> make,
        Func<ReadOnlyMemory<byte>, string>? locate = null
    ) =>
        AnswerAsync(
            context,
            request,
            async () =>
            {
                Refusal? refusal = null;
                var made = await kept.MakeAsync(
                    context.GetTenantId(),
                    request,
                    async transaction =>
                    {
                        (refusal, var body) = await make(transaction);
                        return refusal is null ? (ReadOnlyMemory<byte>?)body : null;
                    }
                );
                return made is { } answer ? (null, answer) : (refusal ?? InProgress(request!), default);
            },
            locate
        );

    private static string SentIn(KeptRequest request) => Quoted.Of(IdempotencyKey.Sent(request.Key));

    private static Refusal InProgress(KeptRequest request) =>
        ProblemTypes.RequestInProgress.With(
            $"The request with the Idempotency-Key {SentIn(request)} is still being answered. Send it again in a moment."
        ) with
        {
            RetryAfter = Soon,
        };

    private async Task HoldAsync(KeptRequest request, Func<Task<ReadOnlyMemory<byte>?>> answer, Func<ReadOnlyMemory<byte>, Task> send)
    {
        var mayDrop = true;
        using var over = new CancellationTokenSource();
        var holding = HoldOnAsync(request, over.Token);
        try
        {
            if (await answer() is { } body)
            {
                // It is done: until its answer is kept a repeat is told to wait, and does not do it again.
                mayDrop = false;
                await KeepAsync(request, body);
                await send(body);
            }
        }
        finally
        {
            await over.CancelAsync();
            await holding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (mayDrop)
            {
                await kept.DropAsync(request, CancellationToken.None);
            }
        }
    }

    private async Task KeepAsync(KeptRequest request, ReadOnlyMemory<byte> body)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                // None: its caller may have left, and comes back for exactly this. The command time-out bounds it.
                await kept.KeepAsync(request, body, CancellationToken.None);
                return;
            }
            catch (Exception failure) when (tries < MostTries && StorageFailures.MayCome(failure))
            {
                await Task.Delay(Pause, clock);
            }
        }
    }

    /// <summary>Says that the request is under way, however long it takes: of one whose server died nobody says it.</summary>
    private async Task HoldOnAsync(KeptRequest request, CancellationToken over)
    {
        using var timer = new PeriodicTimer(KeptAnswers.HoldInterval, clock);
        while (await timer.WaitForNextTickAsync(over))
        {
            try
            {
                await kept.HoldAsync(request, over);
            }
            catch (Exception failure) when (StorageFailures.MayCome(failure))
            {
                // The next tick says it again. Whoever repeats it after so many of them have failed begins it anew: what is made with its answer is
                // made once all the same, and vectors may be paid for twice.
            }
        }
    }

    private static async Task SendAsync(HttpContext context, ReadOnlyMemory<byte> body, Func<ReadOnlyMemory<byte>, string>? locate)
    {
        await KeyAgain.CheckAsync(context);
        if (locate is not null)
        {
            context.Response.Headers.Location = locate(body);
        }

        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
