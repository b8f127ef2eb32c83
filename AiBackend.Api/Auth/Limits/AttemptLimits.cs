using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using AiBackend.Api.Problems;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Auth.Limits;

/// <summary>How often anybody may guess. Section <c>Limits</c>; changes need a restart.</summary>
internal sealed class AttemptOptions
{
    public const string SectionName = "Limits";

    /// <summary>Requests without a valid key that one address may make in a minute, at each server. Default 300.</summary>
    [Range(1, 1_000_000)]
    public int FailedRequestsPerMinute { get; set; } = 300;

    /// <summary>Requests for what does not exist that one key may make in a minute, at each server. Default 600.</summary>
    [Range(1, 1_000_000)]
    public int UnknownObjectsPerMinute { get; set; } = 600;

    /// <summary>Requests that one address may make in a minute, at each server, with whatever keys. Default 3 000 000: a site, or a proxy, is one address for
    /// all who use it.</summary>
    [Range(1, 100_000_000)]
    public int AddressRequestsPerMinute { get; set; } = 3_000_000;
}

/// <summary>Counts failures by who makes them, in this process' memory: what is guessed is refused at every server, and it is bounded.</summary>
internal sealed class AttemptLimits(IOptions<AttemptOptions> options, TimeProvider clock)
{
    private const int MaxKnown = 100_000;
    private const int SignInsOfUser = 5;
    private const int SignInsOfAddress = 20;
    private static readonly TimeSpan SlowSignIn = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<string, MinuteCount> _counts = new(StringComparer.Ordinal);

    /// <summary>Whether the address has failed too often to be looked up again.</summary>
    public bool IsOver(IPAddress? address) =>
        _counts.TryGetValue(PlaceOf(address), out var count) && count.Current(clock) >= options.Value.FailedRequestsPerMinute;

    /// <summary>Counts a request without a valid key.</summary>
    /// <returns>Why it is not even told that, or null.</returns>
    public Refusal? CountFailure(IPAddress? address) =>
        CountOne(PlaceOf(address), options.Value.FailedRequestsPerMinute, "requests without a valid key came from your address");

    /// <summary>Counts a request for something that the key's tenant does not have.</summary>
    public Refusal? CountUnknown(string keyId) =>
        CountOne("key:" + keyId, options.Value.UnknownObjectsPerMinute, "requests of your key asked for what does not exist");

    /// <returns>Why nobody may try to sign in from there, or as that user from there, for now; null when they may.</returns>
    public Refusal? RefuseSignIn(IPAddress? address, string email)
    {
        var place = PlaceOf(address);
        return CurrentOf("from:" + place) >= SignInsOfAddress || CurrentOf($"as:{email}:{place}") >= SignInsOfUser
            ? ProblemTypes.TooManyAttempts.With("Signing in failed too often. Wait a minute, and try again.") with
            {
                RetryAfter = MinuteCount.Window,
            }
            : null;
    }

    /// <summary>Counts a sign-in that failed.</summary>
    public void CountSignIn(IPAddress? address, string email)
    {
        var place = PlaceOf(address);
        CountOne("from:" + place, int.MaxValue, "");
        CountOne($"as:{email}:{place}", int.MaxValue, "");
        CountOne("user:" + email, int.MaxValue, "");
    }

    /// <summary>Who is guessed at from many places is made slower, and never locked out.</summary>
    public TimeSpan DelayOf(string email) => CurrentOf("user:" + email) >= SignInsOfAddress ? SlowSignIn : TimeSpan.Zero;

    private int CurrentOf(string who) => _counts.TryGetValue(who, out var count) ? count.Current(clock) : 0;

    private Refusal? CountOne(string who, int most, string what)
    {
        if (_counts.Count >= MaxKnown)
        {
            _counts.Clear();
        }

        var (count, wait) = _counts.GetOrAdd(who, static _ => new MinuteCount()).Add(clock);
        return count <= most
            ? null
            : ProblemTypes.TooManyAttempts.With(
                FormattableString.Invariant($"More than {most} {what} within a minute. Wait, and mend the caller.")
            ) with
            {
                RetryAfter = wait,
            };
    }

    /// <summary>A home has an IPv6 network of its own, with more addresses than could ever be counted.</summary>
    public static string PlaceOf(IPAddress? address)
    {
        if (address is null)
        {
            return "";
        }

        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4().ToString();
        }

        return address.AddressFamily == AddressFamily.InterNetworkV6
            ? Convert.ToHexStringLower(address.GetAddressBytes().AsSpan(0, 8))
            : address.ToString();
    }
}
