using System.Buffers.Binary;
using System.Globalization;
using AiBackend.Api.Jobs;
using AiBackend.Api.Problems;
using AiBackend.Api.Wire;
using AiBackend.Core.DeadLetters;

namespace AiBackend.Api.DeadLetters;

/// <summary>What the address of a list of dead letters asks for.</summary>
/// <param name="Filter">What to read.</param>
/// <param name="Limit">Entries on a page.</param>
/// <param name="After">Where the page begins, as the list before wrote it; null is the beginning.</param>
/// <param name="Marks">The same text for the same filters, whatever the page.</param>
internal sealed record DeadLetterQuery(DeadLetterFilter Filter, int Limit, Guid? After, string Marks)
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 200;
    private const int MaxTextLength = 128;

    private static readonly string[] Names = ["class", "code", "model", "since", "limit", "cursor"];

    /// <param name="request">The request.</param>
    /// <param name="fingerprint">The group named in the path; null lists groups.</param>
    /// <param name="query">What it asks for, when it is not refused.</param>
    /// <returns>Why the query is refused, or null.</returns>
    public static Refusal? TryRead(HttpRequest request, string? fingerprint, out DeadLetterQuery query)
    {
        query = null!;
        string? errorClass = null,
            code = null,
            model = null;
        DateTimeOffset? since = null;
        var limit = DefaultLimit;
        var refusal =
            QueryParameters.CheckNames(request, Names)
            ?? QueryParameters.TryReadNumber(request, "limit", 1, MaxLimit, DefaultLimit, out limit)
            ?? TryReadName(request, "class", out errorClass)
            ?? TryReadName(request, "code", out code)
            ?? TryReadName(request, "model", out model)
            ?? QueryParameters.TryReadMoment(request, "since", out since);
        if (refusal is not null)
        {
            return refusal;
        }

        var filter = new DeadLetterFilter
        {
            Fingerprint = fingerprint,
            Class = errorClass,
            Code = code,
            Model = model,
            Since = since,
        };
        var marks = string.Create(CultureInfo.InvariantCulture, $"{fingerprint}|{errorClass}|{code}|{model}|{since:O}");
        if (TryReadCursor(request, marks, out var after) is { } badCursor)
        {
            return badCursor;
        }

        query = new DeadLetterQuery(filter, limit, after, marks);
        return null;
    }

    /// <summary>A cursor has room for 16 bytes: the time in microseconds, and the fingerprint.</summary>
    public static Guid Pack(GroupPlace place)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, place.FirstSeenAt.UtcTicks);
        Convert.FromHexString(place.Fingerprint, bytes[8..], out _, out _);
        return new Guid(bytes, bigEndian: true);
    }

    public static GroupPlace? Unpack(Guid? after)
    {
        if (after is not { } packed)
        {
            return null;
        }

        Span<byte> bytes = stackalloc byte[16];
        packed.TryWriteBytes(bytes, bigEndian: true, out _);
        var ticks = Math.Clamp(BinaryPrimitives.ReadInt64BigEndian(bytes), 0, DateTimeOffset.MaxValue.UtcTicks);
        return new GroupPlace(new DateTimeOffset(ticks, TimeSpan.Zero), Convert.ToHexStringLower(bytes[8..]));
    }

    private static Refusal? TryReadName(HttpRequest request, string name, out string? value)
    {
        if (QueryParameters.TryReadText(request, name, out value) is { } repeated)
        {
            return repeated;
        }

        return value?.Length is 0 or > MaxTextLength || value?.AsSpan().IndexOfAnyInRange('\0', '\x1f') >= 0
            ? ProblemTypes.InvalidValue.At(
                name,
                $"{name} is {Quoted.Of(value!)}; it must have 1 to {MaxTextLength} characters, none of them a control character."
            )
            : null;
    }

    private static Refusal? TryReadCursor(HttpRequest request, string marks, out Guid? after)
    {
        after = null;
        if (QueryParameters.TryReadText(request, "cursor", out var text) is { } repeated)
        {
            return repeated;
        }

        after = text is null ? null : JobCursor.Read(text, marks);
        return text is not null && after is null
            ? ProblemTypes.BadCursor.With(
                $"cursor is {Quoted.Of(text)}, which is not the next_cursor of a page with the same filters. Ask for the first page again, without a cursor."
            )
            : null;
    }
}
