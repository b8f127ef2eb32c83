using System.Diagnostics;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Core.Database;
using AiBackend.Core.Repeats;
using Npgsql;

namespace AiBackend.Api.OpenAi.Wire;

/// <summary>Answers requests that make no job; with an Idempotency-Key each once, however often it is sent.</summary>
internal sealed class RepeatedRequests(KeptAnswers kept, TimeProvider clock)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <param name="context">The request.</param>
    /// <param name="request">Null when it has no key.</param>
    /// <param name="answer">Makes the answer, or says why there is none.</param>
    /// <returns>Why it is refused, or null when the answer has been sent.</returns>
    public async Task<Refusal?> AnswerAsync(
        HttpContext context,
        KeptRequest? request,
        Func<Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)>> answer
    )
    {
        if (request is null)
        {
            var (refused, body) = await answer();
            return refused ?? await SendAsync(context, body);
        }

        switch (await kept.BeginAsync(request, context.RequestAborted))
        {
            case RepeatState.First:
                return await HoldAsync(context, request, answer);
            case RepeatState.OtherRequest:
                return ProblemTypes.IdempotencyKeyReused.With(
                    $"The Idempotency-Key {SentIn(request)} was sent before with another body. Use a new key for a new request."
                );
            case RepeatState.UnderWay:
                return InProgress(request);
            case RepeatState.Answered(null):
                return ProblemTypes.AnswerNotKept.With(
                    $"The request with the Idempotency-Key {SentIn(request)} was answered with more than {KeptAnswers.MostBytes >> 20} MB, which is not kept. Send it with a new key, or in parts."
                );
            case RepeatState.Answered(var body):
                context.Response.Headers[IdempotencyKey.RepeatHeader] = "true";
                return await SendAsync(context, body);
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>The same for what is made in Postgres: it and the answer that is kept of it are there together, or neither.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">Null when it has no key.</param>
    /// <param name="make">Makes it on the connection of a transaction that acts for the caller's tenant, or says why it does not.</param>
    public Task<Refusal?> MakeAsync(
        HttpContext context,
        KeptRequest? request,
        Func<NpgsqlConnection, Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)>> make
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
            }
        );

    private static string SentIn(KeptRequest request) => Quoted.Of(IdempotencyKey.Sent(request.Key));

    private static Refusal InProgress(KeptRequest request) =>
        ProblemTypes.RequestInProgress.With(
            $"The request with the Idempotency-Key {SentIn(request)} is still being answered. Send it again in a moment."
        ) with
        {
            RetryAfter = Soon,
        };

    private async Task<Refusal?> HoldAsync(
        HttpContext context,
        KeptRequest request,
        Func<Task<(Refusal? Refusal, ReadOnlyMemory<byte> Body)>> answer
    )
    {
        var isKept = false;
        using var over = new CancellationTokenSource();
        var holding = HoldOnAsync(request, over.Token);
        try
        {
            var (refusal, body) = await answer();
            if (refusal is not null)
            {
                return refusal;
            }

            // None: its caller may have left, and comes back for exactly this. The command time-out bounds it.
            await kept.KeepAsync(request, body, CancellationToken.None);
            isKept = true;
            return await SendAsync(context, body);
        }
        finally
        {
            await over.CancelAsync();
            await holding.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!isKept)
            {
                await kept.DropAsync(request, CancellationToken.None);
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

    private static async Task<Refusal?> SendAsync(HttpContext context, ReadOnlyMemory<byte> body)
    {
        await KeyAgain.CheckAsync(context);
        context.Response.ContentType = "application/json; charset=utf-8";
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
        return null;
    }
}
