using System.Buffers.Text;
using System.Text.Json;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.ServiceDefaults.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Api.OpenAi.Reading;

/// <summary>Reads bodies that may bring files along: larger ones than elsewhere, and of these only as many at once as there is memory for.</summary>
internal sealed class FileBodies(IOptions<OpenAiOptions> options, IOptions<FilesOptions> files)
{
    // Who sends slower must not hold the memory for an hour.
    private const double SlowestBytesPerSecond = 32 * 1024;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(2);

    // Its files as base64, and beside them as much as any other body.
    private readonly long _most =
        Base64.GetMaxEncodedToUtf8Length((int)Math.Min(files.Value.MaxAttachedBytes, 512 << 20)) + KestrelLimits.MaxBodyBytes;

    private readonly SharedRoom _room = new(options.Value.FileBodyBytesAtOnce);

    /// <summary>What is not a file has the room of every other body.</summary>
    public static Refusal? RefuseText(long bytes) =>
        bytes > KestrelLimits.MaxBodyBytes
            ? ProblemTypes.BodyTooLarge.With(
                Invariant($"Without its files the body has {bytes} bytes; at most {KestrelLimits.MaxBodyBytes} are allowed.")
            )
            : null;

    /// <param name="request">The request.</param>
    /// <param name="sent">Holds the memory until the files are stored.</param>
    public async ValueTask<(Refusal? Refusal, RequestBody Body)> ReadAsync(HttpRequest request, SentFiles sent)
    {
        // Of unknown length it is small, or it is refused like others.
        if (request.ContentLength is { } length and > KestrelLimits.MaxBodyBytes)
        {
            if (length > _most)
            {
                return (
                    ProblemTypes.BodyTooLarge.With(
                        Invariant(
                            $"The body has {length} bytes; at most {_most} are allowed, with files as base64 (Files__MaxAttachedBytes)."
                        )
                    ),
                    default
                );
            }

            if (Enter(request.HttpContext.GetTenantId(), length, sent) is { } full)
            {
                return (full, default);
            }

            var features = request.HttpContext.Features;
            features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = length;
            // Of HTTP/2 the rate of the connection is Kestrel's business alone.
            if (HttpProtocol.IsHttp11(request.Protocol) && features.Get<IHttpMinRequestBodyDataRateFeature>() is { } rate)
            {
                rate.MinDataRate = new(SlowestBytesPerSecond, Grace);
            }
        }

        var body = await RequestBody.ReadAsync(request);
        if (body.Bytes.Length > KestrelLimits.MaxBodyBytes && IsTooMuch(body.Bytes.Span))
        {
            body.Dispose();
            return (
                ProblemTypes.BodyTooLarge.With(
                    Invariant($"Without its files the body has more than {KestrelLimits.MaxBodyBytes} bytes, and no more are allowed.")
                ),
                default
            );
        }

        return (null, body);
    }

    /// <summary>Whether what is no text, and so no file, is too much by itself: a million members are counted, and not looked at.</summary>
    private static bool IsTooMuch(ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = BodyWalk.MaxDepth * 2 });
        long texts = 0;
        try
        {
            while (reader.Read())
            {
                texts += reader.TokenType == JsonTokenType.String ? reader.ValueSpan.Length : 0;
                if (reader.BytesConsumed - texts > KestrelLimits.MaxBodyBytes)
                {
                    return true;
                }
            }
        }
        catch (JsonException)
        {
            // Who reads it finds the fault, and tells it.
        }

        return false;
    }

    private Refusal? Enter(Guid tenantId, long bytes, SentFiles sent)
    {
        sent.Room = _room.TryTake(tenantId, bytes);
        if (sent.Room is not null)
        {
            return null;
        }

        return ProblemTypes.Overloaded.With(
            Invariant(
                $"This server reads as much as it may at once of requests with files, which is {options.Value.FileBodyBytesAtOnce} bytes (OpenAi__FileBodyBytesAtOnce), and three quarters of that for one tenant. Nothing was accepted; send it again later."
            )
        ) with
        {
            RetryAfter = Soon,
        };
    }
}
