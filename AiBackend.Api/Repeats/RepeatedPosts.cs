using System.Security.Cryptography;
using System.Text;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Repeats;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace AiBackend.Api.Repeats;

/// <summary>Marks an endpoint that knows repeats by what it made: a job, a bulk action, a file.</summary>
internal sealed record KnownRepeats;

/// <summary>
/// Lets every other POST with an <c>Idempotency-Key</c> be done once, however often it is sent: its repeat is answered as it was. What was refused
/// did nothing, and may be sent again with the same key.
/// </summary>
internal sealed class RepeatedPosts(RepeatedRequests repeats)
{
    /// <summary>What it answers by itself.</summary>
    public static readonly ProblemType[] Problems =
    [
        ProblemTypes.MalformedIdempotencyKey,
        ProblemTypes.RequestInProgress,
        ProblemTypes.AnswerNotKept,
        ProblemTypes.IdempotencyKeyReused,
    ];

    private static readonly string[] KeptHeaders =
    [
        HeaderNames.ContentType,
        HeaderNames.Location,
        HeaderNames.ETag,
        HeaderNames.CacheControl,
    ];

    /// <summary>Whether repeats of what an endpoint does are known here. One that anybody may call has no tenant to whom a key could belong.</summary>
    public static bool Knows(IEnumerable<object> metadata)
    {
        var isPost = false;
        foreach (var each in metadata)
        {
            if (each is KnownRepeats or IAllowAnonymous)
            {
                return false;
            }

            isPost |= each is IHttpMethodMetadata { HttpMethods: ["POST"] };
        }

        return isPost;
    }

    /// <summary>Comes after the caller is known, and may do what the endpoint does.</summary>
    public Task InvokeAsync(HttpContext context, RequestDelegate next) =>
        context.Request.Headers.ContainsKey(IdempotencyKey.Header)
        && context.GetEndpoint() is RouteEndpoint { RoutePattern.RawText: { } route, Metadata: var metadata }
        && context.User.Identity is CallerIdentity { Key: { } key }
        && Knows(metadata)
            ? AnswerAsync(context, next, route, key)
            : next(context);

    private async Task AnswerAsync(HttpContext context, RequestDelegate next, string route, string key)
    {
        var refusal = IdempotencyKey.TryRead(context.Request.Headers[IdempotencyKey.Header], out var repeatKey);
        if (refusal is null)
        {
            var meaning = await ReadAsync(context.Request, key);
            var request = new KeptRequest(context.GetTenantId(), IdempotencyKey.At(route, repeatKey)!, meaning);
            refusal = await OnceAsync(context, next, request, key);
        }

        if (refusal is not null)
        {
            await context.RefuseAsync(refusal);
        }
    }

    /// <summary>Reads the body, and lets the endpoint read it again.</summary>
    /// <returns>
    /// What the request means. That includes who asks: another key of the tenant may be allowed less, and is shown no secret of this one.
    /// </returns>
    private static async Task<byte[]> ReadAsync(HttpRequest request, string key)
    {
        using var body = await RequestBody.ReadAsync(request);
        request.Body = new MemoryStream(body.Bytes.ToArray());
        using var meaning = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // U+0000 is in none of them, so it separates without any escaping.
        meaning.AppendData(Encoding.UTF8.GetBytes($"{key}\0{request.Path}\0{request.QueryString}\0{request.Headers.IfMatch}\0"));
        meaning.AppendData(body.Bytes.Span);
        return meaning.GetHashAndReset();
    }

    private async Task<Refusal?> OnceAsync(HttpContext context, RequestDelegate next, KeptRequest request, string key)
    {
        WholeAnswer? refused = null;
        var refusal = await repeats.OnceAsync(
            context,
            request,
            async () =>
            {
                var made = await MakeAsync(context, next);
                if (made.Status is >= StatusCodes.Status200OK and < StatusCodes.Status300MultipleChoices)
                {
                    return made.Seal(request, key);
                }

                refused = made;
                return null;
            },
            // The same key was shown then: it is part of the meaning, which was the same.
            box => SendAsync(context, WholeAnswer.Open(request, key, box.ToArray())!)
        );
        if (refused is not null)
        {
            await SendAsync(context, refused);
        }

        return refusal;
    }

    /// <summary>Lets the endpoint do it, and takes its answer before it is sent.</summary>
    private static async Task<WholeAnswer> MakeAsync(HttpContext context, RequestDelegate next)
    {
        // None: its caller may leave, and comes back for exactly this. Time-outs of commands and calls bound it.
        context.RequestAborted = CancellationToken.None;
        var wire = context.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        using var body = new MemoryStream();
        var answer = new StreamResponseBodyFeature(body);
        context.Features.Set<IHttpResponseBodyFeature>(answer);
        try
        {
            await next(context);
            await answer.CompleteAsync();
        }
        finally
        {
            context.Features.Set(wire);
        }

        var headers = KeptHeaders
            .Where(context.Response.Headers.ContainsKey)
            .ToDictionary(name => name, name => context.Response.Headers[name].ToString(), StringComparer.Ordinal);
        return new WholeAnswer(context.Response.StatusCode, headers, body.ToArray());
    }

    private static async Task SendAsync(HttpContext context, WholeAnswer answer)
    {
        context.Response.StatusCode = answer.Status;
        foreach (var (name, value) in answer.Headers)
        {
            context.Response.Headers[name] = value;
        }

        if (answer.Body.Length > 0)
        {
            context.Response.ContentLength = answer.Body.Length;
            await context.Response.BodyWriter.WriteAsync(answer.Body, CancellationToken.None);
        }
    }
}

/// <summary>Registration of what is known about repeats.</summary>
internal static class RepeatsRegistration
{
    public static void AddRepeats(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<KeptAnswers>().AddSingleton<RepeatedRequests>().AddSingleton<RepeatedPosts>();

    /// <summary>Says that an endpoint reads the key itself, and finds what it made then.</summary>
    public static IEndpointConventionBuilder KnowsRepeats(this IEndpointConventionBuilder endpoint) =>
        endpoint.WithMetadata(new KnownRepeats());
}
